// Package region is the verb region: it reads, writes, watches and records what package shared keeps in segments.
package region

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
	"github.com/sysvipc/sysvipc/shared/shape"
)

// Command returns the verb.
func Command() *cobra.Command {
	return verb.Parent(&cobra.Command{
		Use:     "region VERB",
		GroupID: verb.GroupUse,
		Short:   "Read, write and watch what package shared keeps in segments",
		Long: `Read, write and watch the variables, counters, maps, channels and topics that programs
share by package shared of this module, without writing Go.

A REGION is given by its name, by its segment, or by its file: orders, shm:5,
shm:key=0x4d2, file:orders or /var/lib/orders. Structures have the names that programs gave
them; values are JSON, with the fields of the programs' structs. Floats that JSON has no
word for are the strings "NaN", "+Inf" and "-Inf", and a text that is not UTF-8 is
{"base64":…}.

Verbs that only look attach the segment for reading: the region does not notice, and the
kernel notes the time and our pid (attached, detached, lpid). Verbs that write, wait or take
part join the region as a process of its programs does.`,
		Example: `  sysvipc region ls
  sysvipc region get orders best
  sysvipc region set orders best '{"Bid":101.5}'
  sysvipc region watch orders best`,
	},
		newLs(), newShow(), newGet(), newSet(), newWatch(),
		newPub(), newSub(), newHz(),
		newRecord(), newReplay(), newHeader(), newReap(), newRm(),
	)
}

// takes is for verbs that take a REGION, and from least to most further arguments; a
// negative most means any number.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch n := len(args) - 1; {
		case n < 0:
			return cli.Usage("which region? Give its name, or its segment as shm:ID; \"sysvipc region ls\" shows them")
		case n < least:
			return cli.Usage("give %s after the region", what)
		case most >= 0 && n > most:
			return cli.Usage("too many arguments: %q takes a region%s (quote what has spaces)", cmd.CommandPath(), strings.TrimSuffix(", "+what, ", "))
		}
		return nil
	}
}

// withoutPrefix has the error of a verb speak of the region only: the prefix of the package
// says nothing to its user.
func withoutPrefix(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, shared.ErrFull):
		return &cli.Error{Code: cli.ExitLimit, Err: plainError{err}}
	}
	return plainError{err}
}

type plainError struct{ error }

func (e plainError) Error() string { return strings.ReplaceAll(e.error.Error(), "shared: ", "") }
func (e plainError) Unwrap() error { return e.error }

// inRegion makes a verb of one that returns errors of package shared.
func inRegion(run func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error { return withoutPrefix(run(cmd, args)) }
}

// complete offers the segments as REGION, and then nothing: to look for names would
// attach.
func complete(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return ref.Complete(1, sysvipc.KindSegment)(cmd, args, begun)
}

// theKey reads the key of a map's entry.
func theKey(a *dynamic.Description, text string) ([]byte, error) {
	if a.Key == nil {
		return nil, cli.Usage("--key is for maps, and %q is a %s", a.Name, a.Kind)
	}
	key := make([]byte, a.Key.Size())
	return key, setFromText(a.Key, key, text, "--key")
}

// setFromText sets a value from JSON. A text as a whole needs no quotes.
func setFromText(typ *shape.Type, value []byte, text, what string) error {
	err := typ.ParseJSON(value, []byte(text))
	if err != nil && typ.Root().Kind == "str" && !strings.HasPrefix(strings.TrimSpace(text), `"`) {
		quoted := output.Append(nil, text)
		if !utf8.ValidString(text) {
			quoted = output.Append(nil, output.Base64{Base64: []byte(text)})
		}
		if typ.ParseJSON(value, quoted) == nil {
			return nil
		}
	}
	if err != nil {
		return cli.Usage("%s: %s", what, plainError{err})
	}
	return nil
}

// lockValue says who holds a mutex.
func lockValue(s dynamic.LockState) *output.Lock {
	lock := &output.Lock{Locked: s.Locked, Died: s.Died, Lost: s.Lost}
	if pid, comm := holderOf(s.TID); s.Locked && pid != 0 {
		lock.PID, lock.Comm = &pid, &comm
	} else if s.Locked {
		lock.Unknown = []string{"pid", "comm"}
	}
	return lock
}

// kindError says what a kind of structure cannot do.
func kindError(s dynamic.Structure, format string, args ...any) error {
	a := s.Describe()
	if _, ok := s.(*dynamic.Unknown); ok {
		return fmt.Errorf("%s %q: its type cannot be read", a.Kind, a.Name)
	}
	return cli.Fail(cli.ExitFailed, "%q is a %s: "+format, append([]any{a.Name, a.Kind}, args...)...)
}

// rawJSON is a value that is JSON already.
type rawJSON = json.RawMessage

func jsonOf(typ *shape.Type, value []byte) rawJSON { return typ.AppendJSON(nil, value) }

// all returns the descriptions of what is in a region.
func all(r *dynamic.Region) ([]*dynamic.Description, error) {
	structures, err := r.All()
	var descriptions []*dynamic.Description
	for _, s := range structures {
		descriptions = append(descriptions, s.Describe())
	}
	return descriptions, err
}

// valued is a structure that has one value: a var or a counter.
type valued interface {
	dynamic.Structure
	Load() ([]byte, error)
	Update(ctx context.Context, change func(value []byte) error) error
	Watch(ctx context.Context) iter.Seq2[[]byte, error]
}
