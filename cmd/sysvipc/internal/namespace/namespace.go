// Package namespace runs verbs in the IPC namespaces that --ns or REFs name. There is one way for all verbs: the whole process
// moves, by setns(2) and execve(2), so that none of its threads is left in another namespace; for several namespaces a process
// is started in each, and what they print is put together.
package namespace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

// variable tells a process that was moved where it came from. It has it to itself: no other program sees it.
const variable = "SYSVIPC_MOVED"

// Arrive is the first that the command does: it notes whether it was moved here, and makes certain of it.
func Arrive() error {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return nil
	}
	os.Unsetenv(variable)
	var m ref.Move
	if _, err := fmt.Sscan(text, &m.Way, &m.Home, &m.Here); err != nil {
		return cli.Fail(cli.ExitFailed, "%s=%q in the environment: %w", variable, text, err)
	}
	if here := inspect.CurrentNamespace(); here != m.Here {
		return cli.Fail(cli.ExitFailed, "this command was to work in IPC namespace %d, and is in %d", m.Here, here)
	}
	if m.Home == m.Here {
		m.Home = 0 // one of many, at home
	} else {
		inspect.SetHomeNamespace(m.Home)
	}
	ref.Moved = m
	return nil
}

// Verb runs a verb where the user wants it. line is the command line, without the name of the program.
func Verb(cmd *cobra.Command, args, line []string, run func(*cobra.Command, []string) error) error {
	scope := scopeOf(cmd)
	named := ""
	if f := cmd.Flags().Lookup(flagName); f != nil && scope != Itself {
		named = f.Value.String()
	}
	r := &runner{cmd: cmd, line: line}
	switch {
	case ref.Moved.Way != ref.Started || scope == Itself:
		return run(cmd, args)
	case named == All:
		if scope != Each {
			return cli.Usage("--ns all: %q works in one IPC namespace: name it (\"sysvipc ns\" shows all)", cmd.CommandPath())
		}
		return r.everywhere()
	case named != "":
		ns, err := Find(cmd.Context(), named)
		if err != nil {
			return err
		}
		if !ns.Own {
			return r.move(ns, ref.ByFlag, nil)
		}
		ref.Moved.Way = ref.ByFlag
	}
	err := run(cmd, args)
	var elsewhere *ref.Elsewhere
	switch {
	case !errors.As(err, &elsewhere):
		return err
	case len(elsewhere.Namespaces) == 1:
		ns, err := FindInode(cmd.Context(), elsewhere.Namespaces[0])
		if err != nil {
			return err
		}
		return r.move(ns, ref.ByRefs, elsewhere.Input)
	case scope != Each:
		return cli.Usage("%q works in one IPC namespace, and the REFs are of %d", cmd.CommandPath(), len(elsewhere.Namespaces))
	}
	return r.inEach(elsewhere.Namespaces, elsewhere.Input)
}

// runner runs the command line again.
type runner struct {
	cmd  *cobra.Command
	line []string
}

// environment is that of a process that was moved.
func environment(way ref.Way, ns uint64) []string {
	return append(os.Environ(), fmt.Sprintf("%s=%s %d %d", variable, way, inspect.HomeNamespace(), ns))
}

// self is the program file of this process.
const self = "/proc/self/exe"

// move replaces this process by one in another namespace, which reads what standard input had again. It returns only if it
// cannot.
func (r *runner) move(ns *inspect.Namespace, way ref.Way, input []string) error {
	return Enter(r.cmd.Context(), ns, func() error {
		if input != nil {
			if err := replaceInput(strings.Join(input, "\n") + "\n"); err != nil {
				return err
			}
		}
		argv := append([]string{os.Args[0]}, r.line...)
		return &os.PathError{Op: "execute", Path: self, Err: syscall.Exec(self, argv, environment(way, ns.Inode))}
	})
}

// replaceInput makes a text standard input.
func replaceInput(text string) error {
	f, err := os.CreateTemp("", "sysvipc-refs-")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	if _, err := io.WriteString(f, text); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return becomeInput(f)
}

// ErrGone is the end of a namespace that was there: its last process has ended.
var ErrGone = &cli.Error{Code: cli.ExitNotFound, Err: errors.New("the IPC namespace is gone by now")}

// Enter calls f in a namespace, on a thread of its own, and says what is missing where this user may not. No right is needed
// at home. Where the process has ended by which it was found, it goes there by another one.
func Enter(ctx context.Context, ns *inspect.Namespace, f func() error) error {
	const tries = 5
	for range tries {
		err, entered := enter(ns, f)
		if entered || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		list, err := all(ctx)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(list.All, func(other inspect.Namespace) bool { return other.Inode == ns.Inode })
		if at < 0 {
			break
		}
		ns = &list.All[at]
	}
	return ErrGone
}

// enter is one try, and reports whether f was called.
func enter(ns *inspect.Namespace, f func() error) (err error, entered bool) {
	if ns.Own {
		return f(), true
	}
	err = inspect.WithNamespace(ns.Path, func() error {
		if here := inspect.CurrentNamespace(); here != ns.Inode {
			return fmt.Errorf("%s leads to IPC namespace %d by now: %w", ns.Path, here, fs.ErrNotExist)
		}
		entered = true
		return f()
	})
	if !entered && errors.Is(err, fs.ErrPermission) {
		err = cli.Fail(cli.ExitNotPermitted, "%s: %w (%s)", Title(ns), err, missing())
	}
	return err, entered
}

// Title names a namespace.
func Title(ns *inspect.Namespace) string {
	text := fmt.Sprintf("IPC namespace %d", ns.Inode)
	if len(ns.Names) > 0 {
		text += " (" + strings.Join(ns.Names, ", ") + ")"
	}
	return text
}

// File is the name of a file to write: with several namespaces each has its own, ipc-4026532199.sysv for ipc.sysv.
func File(name string) (string, error) {
	if name == "" || ref.Moved.Way != ref.OfMany && ref.Moved.Way != ref.OfAll {
		return name, nil
	}
	if name == "-" {
		return "", cli.Usage("each IPC namespace has a file of its own: give a name, and not -")
	}
	ext := filepath.Ext(name)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), inspect.CurrentNamespace(), ext), nil
}

// all lists the namespaces that can be seen.
func all(ctx context.Context) (*inspect.NamespaceList, error) { return inspect.Namespaces(ctx, nil) }
