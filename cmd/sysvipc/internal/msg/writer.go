package msg

import (
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

// formats are the choices of -o for messages.
var formats = []string{"lines", "raw", "json", "jsonl"}

// writer writes messages. Each is written before the next one is taken from the
// queue.
type writer struct {
	w         io.Writer
	format    string
	withTypes bool
	terminal  bool
	doc       *output.Document
}

func (m *writer) add(cmd *cobra.Command) {
	flags.Output(cmd, &m.format, formats...)
	cmd.Flags().BoolVarP(&m.withTypes, "with-type", "t", false, "with -o lines, the type and a tab before each line")
}

// begin is called once, when the command line is known to be right.
func (m *writer) begin(w io.Writer) {
	m.w, m.terminal = w, terminal.Is(w)
	if m.format == "json" {
		m.doc = output.StartDocument(w, "messages")
	}
}

// write writes one message; index is its place in the queue, or -1.
func (m *writer) write(msg sysvipc.Message, index int) error {
	switch m.format {
	case "json":
		m.doc.Add(output.MessageOf(msg, index))
		return m.doc.Flush()
	case "jsonl":
		return m.put(output.AppendLine(nil, output.MessageOf(msg, index)))
	case "raw":
		if m.terminal {
			return m.put(terminal.AppendEscaped(nil, msg.Data, true))
		}
		return m.put(msg.Data)
	}
	var line []byte
	if m.withTypes {
		line = append(strconv.AppendInt(line, msg.Type, 10), '\t')
	}
	return m.put(append(terminal.AppendEscaped(line, msg.Data, false), '\n'))
}

func (m *writer) put(data []byte) error {
	_, err := m.w.Write(data)
	return err
}

// end completes the output. An error is why there are fewer messages than asked for.
func (m *writer) end(err error) error {
	if m.doc == nil {
		return nil
	}
	var warnings []string
	if err != nil {
		warnings = []string{cli.Text(err)}
	}
	return m.doc.End(warnings)
}
