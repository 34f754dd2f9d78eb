package verb

import (
	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

// Tally is what comes of many objects: a document if JSON is wanted, what it has to warn of, and the first failure.
type Tally struct {
	Cmd      *cobra.Command
	Doc      *output.Document   // nil: no JSON
	Bar      *terminal.Progress // gives way to errors
	Warnings []string
	First    error // with the exit code of the first failure, and reported already
}

// Note makes an error a warning of the document.
func (t *Tally) Note(err error) { t.Warnings = append(t.Warnings, cli.Text(err)) }

// Failed reports the failure of one object.
func (t *Tally) Failed(err error) {
	t.Bar.Clear()
	Report(t.Cmd.ErrOrStderr(), t.Cmd, err)
	t.Note(err)
	if t.First == nil {
		t.First = &cli.Error{Code: cli.ExitCode(err)}
	}
}

// End completes the document, if there is one, and returns what ended the work, if anything did.
func (t *Tally) End(err error) error {
	if t.Doc == nil {
		return err
	}
	if err != nil {
		t.Note(err)
	}
	if endErr := t.Doc.End(t.Warnings); err == nil {
		err = endErr
	}
	return err
}
