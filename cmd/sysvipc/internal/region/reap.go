package region

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/shared"
)

func newReap() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reap REGION",
		Short: "Repair what killed processes have left unfinished",
		Long: `Repair what processes that were killed have left unfinished: messages that were
half sent or half received, counts of readers, entries of maps. The programs of a region
do that themselves, when they sleep in it or open it; this is for a region in which only
C programs are left, or none that waits. It prints whom it reaped.

A mutex whose holder was killed is not released: the next one who takes it has to know.`,
		Example:           `  sysvipc region reap orders`,
		Args:              takes(0, 0, ""),
		ValidArgsFunction: complete,
		RunE:              inRegion(runReap),
	}
	return cmd
}

func runReap(cmd *cobra.Command, args []string) error {
	o, err := lookAt(args[0])
	if err != nil {
		return err
	}
	defer o.Close()
	before, err := o.Participants()
	if err != nil {
		return err
	}
	r, err := join(cmd, args[0]) // which reaps whose slot it takes
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := r.Reap(); err != nil {
		return err
	}
	after, err := o.Participants()
	if err != nil {
		return err
	}
	for _, p := range before {
		if !p.Alive && !stillDead(after, p) {
			fmt.Fprintf(cmd.OutOrStdout(), "reaped process %d (slot %d)\n", p.PID, p.Slot)
		}
	}
	return nil
}

func stillDead(all []shared.Participant, dead shared.Participant) bool {
	for _, p := range all {
		if p.Slot == dead.Slot && p.Incarnation == dead.Incarnation && !p.Alive {
			return true
		}
	}
	return false
}
