package region

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/plural"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

type replayOptions struct {
	file  string
	speed float64
}

func newReplay() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay REGION -f FILE",
		Short: "Play a recording back into a region",
		Long: `Play a recording of "sysvipc region record" back: set the values and publish the messages
that were recorded, in their order and with the pauses that were between them. Entries of a
map that were not recorded stay.
The region must have the same structures with the same types; it may be another one than that
which was recorded, and on another machine.

The whole file is checked before the first value is set. One that is cut off is replayed
as far as it goes, with exit code 4; one that is damaged is not replayed at all.`,
		Example: `  sysvipc region replay backtest -f monday.rec
  sysvipc region replay backtest -f monday.rec --speed 10
  sysvipc region replay backtest -f monday.rec --speed 0`,
		Args:              takes(0, 0, ""),
		ValidArgsFunction: complete,
		RunE:              inRegion(func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) }),
	}
	f := cmd.Flags()
	f.StringVarP(&o.file, "file", "f", "", "FILE to read, - for standard input")
	f.Float64Var(&o.speed, "speed", 1, "so many times faster; 0 is without pauses")
	flags.Placeholder(cmd, "FILE", "file")
	flags.Placeholder(cmd, "FACTOR", "speed")
	return cmd
}

func (o *replayOptions) run(cmd *cobra.Command, args []string) error {
	switch {
	case o.file == "":
		return cli.Usage("which recording? Give its file with -f")
	case !(o.speed >= 0):
		return cli.Usage("--speed %v: 0 or more", o.speed)
	}
	file, err := o.open(cmd.InOrStdin())
	if err != nil {
		return err
	}
	defer file.Close()
	whole, err := checkRecording(file)
	if err != nil {
		return fmt.Errorf("%s: %w", o.file, err)
	}
	r, err := join(cmd, args[0])
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in, err := newRecordReader(file)
	if err != nil {
		return err
	}
	puts, err := o.targets(r, in.head)
	if err != nil {
		return err
	}
	if err := o.replay(cmd.Context(), in, puts); err != nil {
		return err
	}
	if !whole {
		return cli.Fail(cli.ExitNotPermitted, "%s: %w; %s replayed", o.file, errCutOff, plural.Of(int(in.count), "value"))
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "replayed %s\n", plural.Of(int(in.count), "value"))
	return nil
}

// open opens the recording, which is read twice: what comes out of a pipe is kept in a file
// without a name meanwhile.
func (o *replayOptions) open(stdin io.Reader) (io.ReadSeekCloser, error) {
	var in io.Reader = stdin
	if o.file != "-" {
		f, err := os.Open(o.file)
		if err != nil {
			return nil, err
		}
		if _, err := f.Seek(0, io.SeekCurrent); err == nil {
			return f, nil
		}
		defer f.Close()
		in = f
	}
	kept, err := os.CreateTemp("", "sysvipc-replay-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(kept.Name())
	if _, err = io.Copy(kept, in); err == nil {
		_, err = kept.Seek(0, io.SeekStart)
	}
	if err != nil {
		kept.Close()
		return nil, err
	}
	return kept, nil
}

// checkRecording reads all of a recording, and reports whether it has its end.
func checkRecording(file io.Reader) (whole bool, err error) {
	in, err := newRecordReader(file)
	for err == nil {
		_, err = in.value()
	}
	switch {
	case err == io.EOF:
		return true, nil
	case errors.Is(err, errCutOff) && in != nil:
		return false, nil
	}
	return false, err
}

// targets finds what was recorded in the region that it is played into.
func (o *replayOptions) targets(r *shared.Region, head recordHead) (puts []func(context.Context, []byte) error, err error) {
	for _, d := range head.Structures {
		s, err := dynamic.Of(r).Find(d.Name)
		if err != nil {
			return nil, err
		}
		if here := describe(s.Describe()); !d.fits(here) {
			return nil, cli.Fail(cli.ExitFailed, "%q is a %s here, and was recorded as a %s", d.Name, here.said(), d.said())
		}
		put, err := replayer(s)
		if err != nil {
			return nil, err
		}
		puts = append(puts, put)
	}
	return puts, nil
}

// replayer returns how to play a value back.
func replayer(s dynamic.Structure) (func(context.Context, []byte) error, error) {
	switch s := s.(type) {
	case valued:
		return func(ctx context.Context, value []byte) error {
			return s.Update(ctx, func(now []byte) error {
				copy(now, value)
				return nil
			})
		}, nil
	case *dynamic.Doc:
		return func(ctx context.Context, value []byte) error {
			return s.Update(ctx, func([]byte) ([]byte, error) { return value, nil })
		}, nil
	case *dynamic.Map:
		size := s.Key.Size()
		return func(ctx context.Context, value []byte) error {
			if len(value) == size {
				_, err := s.Delete(ctx, value)
				return err
			}
			return s.Update(ctx, value[:size], func(now []byte, _ bool) (shared.Action, error) {
				copy(now, value[size:])
				return shared.Store, nil
			})
		}, nil
	}
	return sender(s)
}

func (o *replayOptions) replay(ctx context.Context, in *recordReader, puts []func(context.Context, []byte) error) error {
	start := time.Now()
	for {
		v, err := in.value()
		if err == io.EOF || errors.Is(err, errCutOff) {
			return nil
		}
		if err != nil {
			return err
		}
		if o.speed > 0 {
			due := start.Add(time.Duration(float64(v.after) / o.speed))
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := puts[v.index](ctx, v.value); err != nil {
			return err
		}
	}
}
