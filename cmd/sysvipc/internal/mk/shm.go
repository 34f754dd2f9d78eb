package mk

import (
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

func newShm() *cobra.Command {
	var o options
	var size arg.Size
	var huge hugeFlag
	var noReserve bool
	cmd := &cobra.Command{
		Use:   "shm --size BYTES",
		Short: "Make a shared memory segment",
		Long: `Make a shared memory segment, all zero, and print its REF. The size may have a unit:
10K, 10M, 1.5G. One that exists must have at least this size.`,
		Example: `  sysvipc mk shm --size 10M --name frames
  sysvipc mk shm --size 2000 --key 0x4d2 --mode 0660 --owner app:app --excl
  sysvipc mk shm --size 1G --huge=2M`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if size.N < 1 {
				return cli.Usage("--size is missing or 0: a segment has at least 1 byte")
			}
			return o.run(cmd, maker{
				kind: sysvipc.KindSegment,
				create: func(c sysvipc.Creator, key sysvipc.Key, mode fs.FileMode) (int, error) {
					s, err := c.CreateSegment(key, size.N, mode)
					return ref.IDOf(s, err)
				},
				ensure: func(c sysvipc.Creator, key sysvipc.Key, mode fs.FileMode) (int, error) {
					s, err := c.EnsureSegment(key, size.N, mode)
					return ref.IDOf(s, err)
				},
				over: func(l sysvipc.Limits) bool { return uint64(size.N) > l.Segments.MaxSize },
			}, sysvipc.Creator{HugePages: huge.n, NoReserve: noReserve})
		},
	}
	o.add(cmd)
	f := cmd.Flags()
	f.Var(&size, "size", "size, such as 2000 or 10M")
	f.Var(&huge, "huge", "huge pages: of this size, or of the default size")
	f.Lookup("huge").NoOptDefVal = "default"
	f.BoolVar(&noReserve, "noreserve", false, "reserve no swap, so that it may be larger than memory")
	return cmd
}

// hugeFlag is the value of --huge: a page size, or 1 for the default one.
type hugeFlag struct{ n int64 }

func (f *hugeFlag) String() string {
	if f.n == 0 {
		return ""
	}
	return arg.FormatSize(f.n)
}
func (f *hugeFlag) Type() string { return "BYTES" }
func (f *hugeFlag) Set(s string) (err error) {
	if s == "default" {
		f.n = 1
		return nil
	}
	if f.n, err = arg.ParseSize(s); err == nil && (f.n < 2 || f.n&(f.n-1) != 0) {
		return cli.Usage("the size of a page is a power of two, such as 2M or 1G")
	}
	return err
}
