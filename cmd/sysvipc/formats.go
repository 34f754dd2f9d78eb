package main

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
)

// format is how the objects of a listing are written.
type format struct {
	name  string
	exact bool      // sizes in bytes
	cols  []*column // as chosen; nil for those of the format
}

var formatNames = []string{"table", "wide", "json", "jsonl", "csv", "name"}

// What tables show, of each kind.
var (
	tableColumns = map[sysvipc.Kind]string{
		sysvipc.KindSegment:    "ref,key,owner,mode,size,nattch,cpid,lpid,age",
		sysvipc.KindSemaphores: "ref,key,owner,mode,nsems,operated,age",
		sysvipc.KindQueue:      "ref,key,owner,mode,messages,bytes,max_bytes,lspid,lrpid,age",
	}
	wideColumns = map[sysvipc.Kind]string{
		sysvipc.KindSegment:    "ref,key,owner,group,mode_str,size,nattch,rss,swap,cpid,lpid,attached,detached,changed,destroyed,locked",
		sysvipc.KindSemaphores: "ref,key,owner,group,mode_str,nsems,operated,changed",
		sysvipc.KindQueue:      "ref,key,owner,group,mode_str,messages,bytes,max_bytes,lspid,lrpid,sent,received,changed",
	}
)

// titles are the heads of the first column of tables that show one kind.
var titles = map[sysvipc.Kind]string{
	sysvipc.KindSegment:    "SEGMENT",
	sysvipc.KindSemaphores: "SEMAPHORES",
	sysvipc.KindQueue:      "QUEUE",
}

// write writes the objects.
func (f *format) write(cmd *cobra.Command, v *view, entries []entry) error {
	w := cmd.OutOrStdout()
	switch f.name {
	case "json":
		return f.writeJSON(w, v, entries)
	case "jsonl":
		return f.writeJSONLines(w, v, entries)
	case "csv":
		return f.writeCSV(w, v, entries)
	case "name":
		return writeNames(w, entries)
	}
	if len(entries) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "no objects")
		return nil
	}
	if f.cols != nil {
		return tableOf(v, f.cols, entries, f.exact).write(w)
	}
	return f.writeSections(w, v, entries)
}

// writeSections writes one table for each kind of which there are objects.
func (f *format) writeSections(w io.Writer, v *view, entries []entry) error {
	lists := tableColumns
	if f.name == "wide" {
		lists = wideColumns
	}
	above := ""
	for _, kind := range anyKind {
		section := slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return e.Kind != kind })
		if len(section) == 0 {
			continue
		}
		cols, err := columnList(lists[kind])
		if err != nil {
			return err
		}
		t := tableOf(v, cols, section, f.exact)
		t.heads[0] = titles[kind]
		if _, err := io.WriteString(w, above); err != nil {
			return err
		}
		if err := t.write(w); err != nil {
			return err
		}
		above = "\n"
	}
	return nil
}

// record makes the JSON object of an entry: the columns that its kind has, and under
// "unknown" the names of those that are null because nobody here can tell.
func (f *format) record(v *view, e *entry) record {
	r := make(record, 0, 32)
	missing := []string{}
	for _, c := range f.columns() {
		val := c.of(v, e)
		if val.state == absent {
			continue
		}
		if val.state == unknown {
			missing = append(missing, c.name)
		}
		r = append(r, field{c.name, c.typ.forPrograms(val)})
	}
	return append(r, field{"unknown", missing})
}

// columns are those that JSON and CSV have: all, unless some are chosen.
func (f *format) columns() []*column {
	if f.cols != nil {
		return f.cols
	}
	all := make([]*column, len(columns))
	for i := range columns {
		all[i] = &columns[i]
	}
	return all
}

func (f *format) writeJSON(w io.Writer, v *view, entries []entry) error {
	d := startDocument(w, "objects")
	for i := range entries {
		d.add(f.record(v, &entries[i]))
	}
	return d.end(nil)
}

func (f *format) writeJSONLines(w io.Writer, v *view, entries []entry) error {
	out := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	for i := range entries {
		r := append(record{{"schema", schema}}, f.record(v, &entries[i])...)
		line = append(appendJSON(line[:0], r), '\n')
		out.Write(line)
	}
	return out.Flush()
}

// writeCSV writes what JSON has. What is null there, or does not exist, is empty.
func (f *format) writeCSV(w io.Writer, v *view, entries []entry) error {
	out := csv.NewWriter(w)
	cols := f.columns()
	row := make([]string, len(cols))
	for i, c := range cols {
		row[i] = c.name
	}
	out.Write(row)
	for i := range entries {
		for j, c := range cols {
			switch val := c.typ.forPrograms(c.of(v, &entries[i])).(type) {
			case nil:
				row[j] = ""
			case time.Time:
				row[j] = val.Format(time.RFC3339)
			default:
				row[j] = fmt.Sprint(val)
			}
		}
		out.Write(row)
	}
	out.Flush()
	return out.Error()
}

func writeNames(w io.Writer, entries []entry) error {
	out := bufio.NewWriterSize(w, 64<<10)
	for _, e := range entries {
		out.WriteString(refName(e.Kind, e.ID))
		out.WriteByte('\n')
	}
	return out.Flush()
}

// outputFlag adds -o with these choices, of which the first is the default.
func outputFlag(cmd *cobra.Command, to *string, choices ...string) {
	*to = choices[0]
	cmd.Flags().VarP(&choice{to, choices}, "output", "o", "format: "+strings.Join(choices, ", "))
	mustComplete(cmd, "output", completeWords(choices...))
}

// choice is the value of a flag that takes one of some words.
type choice struct {
	to    *string
	words []string
}

func (c *choice) String() string {
	if c.to == nil {
		return ""
	}
	return *c.to
}
func (c *choice) Type() string { return "FORMAT" }
func (c *choice) Set(s string) error {
	if !slices.Contains(c.words, s) {
		return usage("choose one of %s", strings.Join(c.words, ", "))
	}
	*c.to = s
	return nil
}
