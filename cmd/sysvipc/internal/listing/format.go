package listing

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

// Format is how the objects of a listing are written.
type Format struct {
	Name  string
	Exact bool      // sizes in bytes
	Cols  []*column // as chosen; nil for those of the format

	Judged         bool // the users of objects were looked for
	ManyNamespaces bool // tables begin with the namespace
}

// FormatNames are the choices of -o.
var FormatNames = []string{"table", "wide", "json", "jsonl", "csv", "name"}

// What tables show, of each kind.
var (
	narrow = map[sysvipc.Kind]string{
		sysvipc.KindSegment:    "ref,key,owner,mode,size,nattch,cpid,lpid,age",
		sysvipc.KindSemaphores: "ref,key,owner,mode,nsems,operated,age",
		sysvipc.KindQueue:      "ref,key,owner,mode,messages,bytes,max_bytes,lspid,lrpid,age",
	}
	wide = map[sysvipc.Kind]string{
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

// Write writes the objects.
func (f *Format) Write(cmd *cobra.Command, v *View, all Entries) error {
	w := cmd.OutOrStdout()
	switch f.Name {
	case "json":
		return f.writeJSON(w, v, all)
	case "jsonl":
		return f.writeJSONLines(w, v, all)
	case "csv":
		return f.writeCSV(w, v, all)
	case "name":
		return writeNames(w, v, all)
	}
	v.beside = f.ManyNamespaces && f.Cols == nil
	n, err := f.writeTables(w, v, all)
	if err == nil && n == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "no objects")
	}
	return err
}

// writeTables writes one table for each kind of which there are objects, or one for all
// if columns are chosen. It returns the number of objects.
func (f *Format) writeTables(w io.Writer, v *View, all Entries) (int, error) {
	lists := narrow
	if f.Name == "wide" {
		lists = wide
	}
	tables := map[sysvipc.Kind]*table{}
	n := 0
	for e, err := range all {
		if err != nil {
			return n, err
		}
		n++
		kind := e.Kind
		if f.Cols != nil {
			kind = 0
		}
		t := tables[kind]
		if t == nil {
			cols := f.Cols
			if cols == nil {
				list := lists[kind]
				if f.ManyNamespaces {
					list = "ns," + list
				}
				if cols, err = ColumnList(list); err != nil {
					return n, err
				}
			}
			title := titles[kind]
			if f.ManyNamespaces {
				title = ""
			}
			t = newTable(title, cols, f.Exact)
			tables[kind] = t
		}
		t.add(v, e)
	}
	above := ""
	for _, kind := range append([]sysvipc.Kind{0}, ref.AnyKind...) {
		t := tables[kind]
		if t == nil {
			continue
		}
		if _, err := io.WriteString(w, above); err != nil {
			return n, err
		}
		if err := t.Write(w); err != nil {
			return n, err
		}
		above = "\n"
	}
	return n, nil
}
