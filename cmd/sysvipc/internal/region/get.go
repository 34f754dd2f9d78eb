package region

import (
	"bufio"
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/flags"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

type getOptions struct {
	key    string
	output string
}

func newGet() *cobra.Command {
	var o getOptions
	cmd := &cobra.Command{
		Use:   "get REGION [NAME…]",
		Short: "Print values as JSON",
		Long: `Print values as JSON, or all that the region has if no NAME is given; with several,
each behind its name and a tab. A map prints a line for each entry, with "key" and
"value"; --key prints the value of one entry. A mutex tells who holds it; a chan or topic
how many messages it has, which stay where they are, and so do records.

-o json writes one document; its "values" have "name", "kind" and "value".`,
		Example: `  sysvipc region get orders best
  sysvipc region get orders positions --key '{"ID":7}'
  sysvipc region get orders -o json`,
		Args:              takes(0, -1, ""),
		ValidArgsFunction: complete,
		RunE:              inRegion(func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) }),
	}
	cmd.Flags().StringVar(&o.key, "key", "", "the entry of a map with this key, in JSON")
	flags.Placeholder(cmd, "KEY", "key")
	flags.Output(cmd, &o.output, "lines", "json")
	return cmd
}

func (o *getOptions) run(cmd *cobra.Command, args []string) error {
	byKey := cmd.Flags().Changed("key")
	if byKey && len(args) != 2 {
		return cli.Usage("--key is for one map: give its NAME")
	}
	region, err := lookAt(args[0])
	if err != nil {
		return err
	}
	defer region.Close()
	var all []dynamic.Structure
	for _, name := range args[1:] {
		a, err := region.Find(name)
		if err != nil {
			return err
		}
		all = append(all, a)
	}
	if len(args) == 1 {
		if all, err = everything(region); err != nil {
			return err
		}
	}
	out := valueWriter{w: cmd.OutOrStdout(), json: o.output == "json", names: len(args) != 2}
	out.begin()
	for _, a := range all {
		if byKey {
			err = out.entry(a, o.key)
		} else {
			err = out.value(a)
		}
		if err != nil {
			break
		}
	}
	return out.end(err)
}

// everything returns all structures that have a value to print.
func everything(region *dynamic.Observer) (printable []dynamic.Structure, err error) {
	structures, err := region.All()
	for _, s := range structures {
		switch s.(type) {
		case *dynamic.RWMutex, *dynamic.Unknown:
		default:
			printable = append(printable, s)
		}
	}
	return printable, err
}

// valueWriter writes values as lines, or as a document.
type valueWriter struct {
	w     io.Writer
	out   *bufio.Writer
	doc   *output.Document
	json  bool
	names bool // before each line
}

func (o *valueWriter) begin() {
	o.out = bufio.NewWriterSize(o.w, 32<<10)
	if o.json {
		o.doc = output.StartDocument(o.w, "values")
	}
}

// end completes the output, also after an error.
func (o *valueWriter) end(err error) error {
	var ended error
	if o.doc != nil {
		var warnings []string
		if err != nil {
			warnings = []string{plainError{err}.Error()}
		}
		ended = o.doc.End(warnings)
	} else {
		ended = o.out.Flush()
	}
	if err == nil {
		err = ended
	}
	return err
}

// put writes one value, or a part of it.
func (o *valueWriter) put(a *dynamic.Description, value any) {
	if o.doc != nil {
		o.doc.Add(&output.Value{Name: a.Name, Kind: a.Kind, Value: value})
		return
	}
	if o.names {
		o.out.WriteString(terminal.Escape(a.Name) + "\t")
	}
	o.out.Write(append(output.Append(nil, value), '\n'))
}

func (o *valueWriter) entry(s dynamic.Structure, text string) error {
	a := s.Describe()
	key, err := theKey(a, text)
	if err != nil {
		return err
	}
	m, ok := s.(*dynamic.Map)
	if !ok {
		return kindError(s, "it has no entries")
	}
	value, ok, err := m.Load(key)
	if err != nil {
		return err
	}
	if !ok {
		return cli.Fail(cli.ExitNotFound, "map %q has no entry with the key %s", a.Name, jsonOf(a.Key, key))
	}
	o.put(a, jsonOf(a.Type, value))
	return nil
}

func (o *valueWriter) value(s dynamic.Structure) error {
	a := s.Describe()
	switch s := s.(type) {
	case valued:
		value, err := s.Load()
		if err == nil {
			o.put(a, jsonOf(a.Type, value))
		}
		return err
	case *dynamic.Map:
		return o.entries(s)
	case *dynamic.Mutex:
		state, err := s.State()
		if err == nil {
			o.put(a, lockValue(state))
		}
		return err
	case *dynamic.Doc:
		data, err := s.Load()
		if err == nil {
			o.put(a, docValue(s, data))
		}
		return err
	case *dynamic.Topic:
		p, err := s.Position()
		if err == nil {
			o.put(a, &output.TopicState{Capacity: a.Cap, Published: p.In})
		}
		return err
	case *dynamic.Records:
		n, err := s.Len()
		if err == nil {
			o.put(a, &output.RecordsState{Room: a.Cap, Waiting: n})
		}
		return err
	case *dynamic.Chan:
		p, err := s.Position()
		if err != nil {
			return err
		}
		n, err := s.Len()
		if err == nil {
			o.put(a, &output.ChanState{Capacity: a.Cap, Sent: p.In, Received: p.Out, Waiting: n})
		}
		return err
	}
	return kindError(s, "there is nothing to print of it")
}

// entries writes a map: a line for each entry, or a list.
func (o *valueWriter) entries(m *dynamic.Map) error {
	var list []output.Entry
	a := m.Describe()
	for e, err := range m.All(context.Background()) {
		if err != nil {
			return err
		}
		r := output.Entry{Key: jsonOf(a.Key, e.Key), Value: jsonOf(a.Type, e.Value)}
		if o.doc == nil {
			o.put(a, r)
		} else {
			list = append(list, r)
		}
	}
	if o.doc != nil {
		o.put(a, list)
	}
	return nil
}

// now is a moment, with more digits than other times have, since values come quickly.
func now() string { return time.Now().Format("2006-01-02T15:04:05.000000Z07:00") }
