package namespace

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/output"
)

// result is what the process of a namespace printed.
type result struct {
	ns             *inspect.Namespace
	stdout, stderr bytes.Buffer
	code           int
	err            error // it could not be run
}

// everywhere runs the command line in each namespace. Objects that are named need not be in all.
func (r *runner) everywhere() error {
	list, err := all(r.cmd.Context())
	if err != nil {
		return err
	}
	var input []string
	if slices.Contains(r.line, "-") { // REFs, which each of them reads
		text, err := io.ReadAll(r.cmd.InOrStdin())
		if err != nil {
			return cli.Fail(cli.ExitFailed, "read REFs from standard input: %w", err)
		}
		input = strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	results := r.run(ref.OfAll, pointers(list.All), input)
	results = slices.DeleteFunc(results, func(one *result) bool { return errors.Is(one.err, ErrGone) })
	absent := func(one *result) bool { return one.err == nil && one.code == cli.ExitNotFound }
	if !slices.ContainsFunc(results, func(one *result) bool { return !absent(one) }) {
		results = results[:1]
	} else {
		results = slices.DeleteFunc(results, absent)
	}
	err = r.together(results, true, list.Warnings)
	if list.Complete {
		return err
	}
	text := "not all IPC namespaces can be seen: " + strings.Join(list.Warnings, "; ")
	if os.Geteuid() != 0 {
		return cmp.Or(err, cli.Fail(cli.ExitNotPermitted, "%s (%s)", text, missing()))
	}
	fmt.Fprintln(r.cmd.ErrOrStderr(), "sysvipc: "+text)
	return err
}

func pointers[T any](list []T) (all []*T) {
	for i := range list {
		all = append(all, &list[i])
	}
	return all
}

// inEach runs the command line in the namespaces of its REFs.
func (r *runner) inEach(inodes []uint64, input []string) error {
	var spaces []*inspect.Namespace
	for _, inode := range inodes {
		ns, err := FindInode(r.cmd.Context(), inode)
		if err != nil {
			return err // nothing is done yet
		}
		spaces = append(spaces, ns)
	}
	return r.together(r.run(ref.OfMany, spaces, input), false, nil)
}

// run runs a process in each namespace: one after the other, or, if they go on until they are interrupted, all at once, each of
// which writes whole lines.
func (r *runner) run(way ref.Way, spaces []*inspect.Namespace, input []string) []*result {
	results := make([]*result, len(spaces))
	endless := r.cmd.Name() == "watch"
	var running sync.WaitGroup
	for i, ns := range spaces {
		one := &result{ns: ns}
		results[i] = one
		work := func() {
			c := exec.CommandContext(r.cmd.Context(), self)
			c.Args = append([]string{os.Args[0]}, r.line...)
			c.Env = environment(way, ns.Inode)
			c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
			c.SysProcAttr = endsWithUs()
			c.Stdout, c.Stderr = &one.stdout, &one.stderr
			if input != nil {
				c.Stdin = strings.NewReader(strings.Join(input, "\n") + "\n")
			}
			if endless {
				c.Stdout, c.Stderr = r.cmd.OutOrStdout(), r.cmd.ErrOrStderr()
			}
			err := Enter(r.cmd.Context(), ns, c.Run)
			var failed *exec.ExitError
			if errors.As(err, &failed) {
				one.code = max(failed.ExitCode(), 1)
			} else {
				one.err = err
			}
		}
		if endless {
			running.Go(work)
		} else {
			work()
		}
	}
	running.Wait()
	return results
}

// together writes what the processes printed, and returns the first failure. With headings each namespace is named.
func (r *runner) together(results []*result, headings bool, warnings []string) error {
	if err := cli.Cause(r.cmd.Context(), r.cmd.Context().Err()); err != nil {
		return err
	}
	format := ""
	if f := r.cmd.Flags().Lookup("output"); f != nil {
		format = f.Value.String()
	}
	var first error
	w, seen := r.cmd.OutOrStdout(), map[string]bool{}
	var docs []*document
	shown := 0
	for _, one := range results {
		if one.err != nil {
			verb.Report(r.cmd.ErrOrStderr(), r.cmd, one.err)
			warnings = append(warnings, cli.Text(one.err))
			first = cmp.Or(first, error(&cli.Error{Code: cli.ExitCode(one.err)}))
			continue
		}
		if format == "json" && one.stdout.Len() > 0 {
			doc, err := parse(one.stdout.Bytes())
			if err != nil {
				return err
			}
			docs = append(docs, doc)
		} else if one.stdout.Len() > 0 {
			if shown++; shown > 1 && headings {
				fmt.Fprintln(w)
			}
			if headings {
				fmt.Fprintf(w, "%s:\n", Title(one.ns))
			}
			if _, err := w.Write(one.stdout.Bytes()); err != nil {
				return err
			}
		}
		for line := range strings.Lines(one.stderr.String()) { // what cannot be seen is the same in all
			if !seen[line] {
				seen[line] = true
				fmt.Fprint(r.cmd.ErrOrStderr(), line)
			}
		}
		if one.code != 0 {
			first = cmp.Or(first, error(&cli.Error{Code: one.code}))
		}
	}
	if format == "json" && len(docs) > 0 {
		first = cmp.Or(first, writeTogether(w, docs, warnings))
	}
	return first
}

// document is one of schema 2: a list, and what stands beside it.
type document struct {
	name     string
	elements []json.RawMessage
	warnings []string
}

func parse(text []byte) (*document, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	d := &document{}
	for name, value := range fields {
		switch name {
		case "schema", "complete":
		case "warnings":
			if err := json.Unmarshal(value, &d.warnings); err != nil {
				return nil, err
			}
		default:
			d.name = name
			if err := json.Unmarshal(value, &d.elements); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

// writeTogether writes documents as one.
func writeTogether(w io.Writer, docs []*document, warnings []string) error {
	out := output.StartDocument(w, docs[0].name)
	for _, d := range docs {
		for _, element := range d.elements {
			out.AddFunc(func(dst []byte) []byte { return append(dst, element...) })
		}
		for _, warning := range d.warnings {
			if !slices.Contains(warnings, warning) {
				warnings = append(warnings, warning)
			}
		}
	}
	return out.End(warnings)
}
