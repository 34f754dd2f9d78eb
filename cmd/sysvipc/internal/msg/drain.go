package msg

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/pipe"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/plural"
)

type drainOptions struct {
	selection selectFlags
	file      string
}

func newDrain() *cobra.Command {
	var o drainOptions
	cmd := &cobra.Command{
		Use:   "drain REF",
		Short: "Take all messages out of a queue and keep them",
		Long: `Take all messages out of a queue, as JSON lines on standard output or in a new file; "msg
send --jsonl" puts them back. It does not wait for more.

No message is lost, whatever happens: messages are copied first (MSG_COPY) and written, in
a file also brought to the disk, and only then taken from the queue. Killed in between, or
with a full disk, messages may be in both places, up to 1,000 of them. So may those that
others receive at the same time; it says how many. It also says so if the kernel cannot copy
messages (CONFIG_CHECKPOINT_RESTORE); then the one message in our hands is put back if
it cannot be written, and lost if we are killed.`,
		Example: `  sysvipc msg drain msg:name=orders -f orders.jsonl
  sysvipc msg drain msg:5 --type 7 | jq .text
  sysvipc msg send msg:5 --jsonl <orders.jsonl`,
		Args:              ref.Args(sysvipc.KindQueue, 0, 0, ""),
		ValidArgsFunction: ref.Complete(1, sysvipc.KindQueue),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	o.selection.add(cmd)
	cmd.Flags().StringVarP(&o.file, "file", "f", "", "write to this new `FILE` instead of standard output")
	return cmd
}

func (o *drainOptions) run(cmd *cobra.Command, arg string) error {
	selector, matches, err := o.selection.chosen(cmd)
	if err != nil {
		return err
	}
	id, err := ref.ParseOne(cmd, arg, sysvipc.KindQueue)
	if err != nil {
		return err
	}
	d := &draining{q: sysvipc.QueueByID(id), selector: selector, matches: matches, byType: o.selection.upTo > 0, talk: cmd.ErrOrStderr()}
	if _, err := d.q.Stat(); err != nil {
		return err
	}
	pipe.IgnoreSIGPIPE()
	if o.file == "" || o.file == "-" {
		d.keep = keeper(cmd.OutOrStdout(), nil)
		err := d.all(cmd.Context())
		d.tellDoubled()
		return err
	}
	f, err := os.OpenFile(o.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return cli.Fail(cli.ExitFailed, "%s exists already: a drain takes a new file", terminal.Escape(o.file))
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syncFolder(filepath.Dir(o.file)); err != nil {
		return err
	}
	d.keep = keeper(f, f.Sync)
	err = d.all(cmd.Context())
	d.tellDoubled()
	if err != nil {
		return fmt.Errorf("%w; taken out before that, and in %s: %s", err, terminal.Escape(o.file), plural.Of(d.taken, "message"))
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s taken from msg:%d to %s\n", plural.Of(d.taken, "message"), id, terminal.Escape(o.file))
	return err
}

// syncFolder brings the name of a new file to the disk.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // a file system without such
		return err
	}
	return nil
}

// keeper returns a function that writes messages as JSON lines, and returns when they are safe.
func keeper(w io.Writer, sync func() error) func(...sysvipc.Message) error {
	return func(messages ...sysvipc.Message) error {
		buf := bufio.NewWriterSize(w, 32<<10)
		out := writer{w: buf, format: "jsonl"}
		for _, m := range messages {
			if err := out.write(m, -1); err != nil {
				return err
			}
		}
		if err := buf.Flush(); err != nil || sync == nil {
			return err
		}
		return sync()
	}
}

// draining is one run.
type draining struct {
	q        *sysvipc.Queue
	selector sysvipc.Selector
	matches  func(typ int64) bool
	byType   bool // the selector takes the lowest type first
	keep     func(...sysvipc.Message) error
	talk     io.Writer
	taken    int
	doubled  int // of those written, others received so many, too
}

func (d *draining) tellDoubled() {
	if d.doubled > 0 {
		fmt.Fprintf(d.talk, "sysvipc: %s of those written went to other receivers meanwhile, too\n", plural.Of(d.doubled, "message"))
	}
}

// A batch bounds what may be in both places, and the memory that it takes.
const (
	batchMessages = 1000
	batchBytes    = 16 << 20
)

// all takes messages until there are none.
func (d *draining) all(ctx context.Context) error {
	for ctx.Err() == nil {
		batch, err := d.peek()
		if errors.Is(err, syscall.ENOSYS) {
			fmt.Fprintln(d.talk, "sysvipc: this kernel cannot copy messages: each is taken before it is written")
			return d.withoutCopies(ctx)
		}
		if err != nil || len(batch) == 0 {
			return err
		}
		if err := d.keep(batch...); err != nil {
			return fmt.Errorf("write the messages: %w; those that could not be written are still on the queue", err)
		}
		elsewhere, err := d.remove(batch)
		d.doubled += elsewhere
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// peek copies the next messages, in the order in which the selector takes them.
func (d *draining) peek() (batch []sysvipc.Message, err error) {
	bytes := 0
	// The lowest type may stand last, so all are needed to know.
	for i := 0; d.byType || len(batch) < batchMessages && bytes < batchBytes; i++ {
		m, err := d.q.Peek(i)
		if errors.Is(err, sysvipc.ErrWouldBlock) {
			break
		}
		if err != nil {
			return nil, err
		}
		if d.matches(m.Type) {
			batch = append(batch, m)
			bytes += len(m.Data)
		}
	}
	if d.byType {
		slices.SortStableFunc(batch, func(a, b sysvipc.Message) int { return int(min(1, max(-1, a.Type-b.Type))) })
	}
	return batch, nil
}

// remove takes messages that are written from the queue, and returns how many of them others took. What
// comes instead of them is written, too.
func (d *draining) remove(written []sysvipc.Message) (elsewhere int, err error) {
	for len(written) > 0 {
		m, ok, err := d.q.TryReceive(d.selector)
		if err != nil {
			return elsewhere, err
		}
		if !ok {
			break
		}
		i := slices.IndexFunc(written, func(w sysvipc.Message) bool { return w.Type == m.Type && bytes.Equal(w.Data, m.Data) })
		if i >= 0 {
			elsewhere += i
			written = written[i+1:]
		} else if err := d.keep(m); err != nil {
			return elsewhere, putBack(d.q, m, err)
		}
		d.taken++
	}
	return elsewhere + len(written), nil
}

// withoutCopies is how it goes with kernels that cannot copy messages.
func (d *draining) withoutCopies(ctx context.Context) error {
	for ctx.Err() == nil {
		m, ok, err := d.q.TryReceive(d.selector)
		if err != nil || !ok {
			return err
		}
		if err := d.keep(m); err != nil {
			return putBack(d.q, m, err)
		}
		d.taken++
	}
	return ctx.Err()
}
