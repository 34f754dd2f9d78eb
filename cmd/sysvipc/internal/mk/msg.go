package mk

import (
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

func newMsg() *cobra.Command {
	var o options
	var qbytes arg.Size
	cmd := &cobra.Command{
		Use:   "msg",
		Short: "Make a message queue",
		Long: `Make a message queue and print its REF. It holds kernel.msgmnb bytes of messages unless
--qbytes says otherwise; more than kernel.msgmnb is for root.`,
		Example: `  sysvipc mk msg --name orders
  sysvipc mk msg --ftok /srv/app:R --mode 0660 --owner app --qbytes 64K`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m := maker{
				kind: sysvipc.KindQueue,
				create: func(c sysvipc.Creator, key sysvipc.Key, mode fs.FileMode) (int, error) {
					q, err := c.CreateQueue(key, mode)
					return ref.IDOf(q, err)
				},
				ensure: func(c sysvipc.Creator, key sysvipc.Key, mode fs.FileMode) (int, error) {
					q, err := c.EnsureQueue(key, mode)
					return ref.IDOf(q, err)
				},
				over: func(sysvipc.Limits) bool { return false },
			}
			if cmd.Flags().Changed("qbytes") {
				m.finish = func(id int) error { return sysvipc.QueueByID(id).SetMaxBytes(int(qbytes.N)) }
			}
			return o.run(cmd, m, sysvipc.Creator{})
		},
	}
	o.add(cmd)
	cmd.Flags().Var(&qbytes, "qbytes", "capacity in bytes, such as 64K; with 0 senders wait")
	return cmd
}
