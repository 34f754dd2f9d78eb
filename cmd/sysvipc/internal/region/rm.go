package region

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
)

func newRm() *cobra.Command {
	var wait verb.WaitFlags
	cmd := &cobra.Command{
		Use:   "rm REGION NAME…",
		Short: "Remove structures from a region, with what is in them",
		Long: `Remove variables, maps, channels and other structures from a region, with what is in
them. The programs that use them get an error that says so, those that wait at once and others within a second
or so. They may declare the name again, with another type. The room is used for
other structures when all of them know.

A mutex that is held is not removed. What is lost is not saved first: "sysvipc region get"
prints it, and "sysvipc dump" saves the whole region. To remove the region itself: "sysvipc rm shm:name=REGION".`,
		Example: `  sysvipc region rm orders best
  sysvipc region rm orders positions ticks`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return cli.Usage("give the NAME of a structure after the region; to remove the region itself: sysvipc rm shm:name=REGION")
			}
			return takes(1, -1, "")(cmd, args)
		},
		ValidArgsFunction: complete,
		RunE: inRegion(func(cmd *cobra.Command, args []string) error {
			r, err := join(cmd, args[0])
			if err != nil {
				return err
			}
			defer r.Close()
			for _, name := range args[1:] {
				err := doWaiting(cmd.Context(), &wait, "another program is writing "+name, func(ctx context.Context) error { return r.Drop(ctx, name) })
				if errors.Is(err, fs.ErrNotExist) {
					return cli.Fail(cli.ExitNotFound, "the region has no %q (\"sysvipc region show\" lists what it has)", name)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}),
	}
	wait.Add(cmd)
	return cmd
}
