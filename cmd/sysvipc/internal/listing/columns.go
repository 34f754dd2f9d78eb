package listing

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/account"
	"github.com/sysvipc/sysvipc/internal/output"
)

// column is one property of an object: a column of the table, a field of
// the JSON and CSV, and a word of --filter, all under one name.
type column struct {
	Name  string
	Type  valueType
	Help  string
	field output.Field
}

// View is what a listing knows beside the objects.
type View struct {
	Now    time.Time
	Users  account.Names
	groups account.Names
	NS     uint64 // the IPC namespace of the objects; 0 if it is not known
	Own    uint64 // that in which REFs need no namespace
	// beside is true if the namespace stands in a column of its own.
	beside bool
	// Warnings say what could not be seen of the users of the objects.
	Warnings []string
}

// NewView is a view of the IPC namespace of this process, now.
func NewView() *View {
	return &View{
		Now: time.Now(), Users: account.Names{Lookup: account.User}, groups: account.Names{Lookup: account.Group},
		NS: inspect.CurrentNamespace(), Own: inspect.HomeNamespace(),
	}
}

// Published is the entry as it is published. It is made once.
func (e *Entry) Published(v *View) *output.Object {
	if e.shown != nil {
		return e.shown
	}
	look := v.look(e)
	switch {
	case e.Users != nil:
		e.shown = look.Inspected(e.Users)
	case e.Segment != nil:
		e.shown = look.Segment(e.Segment)
	case e.Set != nil:
		e.shown = look.Set(e.Set)
	default:
		e.shown = look.Queue(e.Queue)
	}
	return e.shown
}

// Group is the name of a group, or "".
func (v *View) Group(gid int) string { return v.groups.Name(gid) }

func (v *View) look(e *Entry) output.Look {
	ns, own := v.NS, v.Own
	if e.NS != 0 {
		ns = e.NS
	}
	if v.beside {
		own = ns
	}
	return output.Look{Time: v.Now, Namespace: ns, Own: own, User: v.Users.Name, Group: v.groups.Name}
}

// Columns are those of the table, JSON and CSV, in the order of JSON and CSV.
var Columns = []column{
	columnOf("ref", typeText, "how to name the object: shm:5"),
	columnOf("type", typeText, "shm, sem or msg"),
	columnOf("ns", typeNumber, "IPC namespace: the inode of /proc/self/ns/ipc"),
	columnOf("id", typeNumber, "the kernel's handle; 0 is valid"),
	columnOf("key", typeKey, "key; 0 is IPC_PRIVATE or removed. A signed number in JSON and CSV"),
	columnOf("key_hex", typeText, "key as 0x and 8 digits"),
	columnOf("mode", typeMode, "permissions; octal in the table, a number in JSON and CSV"),
	columnOf("mode_str", typeText, "permissions as rw-r-----"),
	columnOf("uid", typeNumber, "owner"),
	columnOf("owner", typeText, "owner's name"),
	columnOf("gid", typeNumber, "owner's group"),
	columnOf("group", typeText, "owner's group's name"),
	columnOf("cuid", typeNumber, "user who made it"),
	columnOf("cgid", typeNumber, "group of the user who made it"),
	columnOf("changed", TypeTime, "made, or owner or mode changed (for sets also SETVAL and SETALL)"),
	columnOf("age", typeAge, "seconds since changed"),
	columnOf("idle", typeAge, "seconds since the last use that the kernel noted"),
	columnOf("size", TypeSize, "bytes of a segment"),
	columnOf("nattch", typeNumber, "attaches of a segment (mappings, not processes)"),
	columnOf("rss", TypeSize, "bytes of a segment in memory"),
	columnOf("swap", TypeSize, "bytes of a segment in swap"),
	columnOf("cpid", typeNumber, "process that made the segment"),
	columnOf("lpid", typeNumber, "process that attached or detached last"),
	columnOf("attached", TypeTime, "last attach"),
	columnOf("detached", TypeTime, "last detach"),
	columnOf("destroyed", typeBool, "removed, and gone with its last detach"),
	columnOf("locked", typeBool, "never swapped out (SHM_LOCK)"),
	columnOf("nsems", typeNumber, "semaphores in the set"),
	columnOf("operated", TypeTime, "last operation on the set; none: perhaps not initialised"),
	columnOf("messages", typeNumber, "messages on the queue"),
	columnOf("bytes", TypeSize, "bytes of the messages on the queue"),
	columnOf("max_bytes", TypeSize, "capacity of the queue in bytes (msg_qbytes)"),
	columnOf("lspid", typeNumber, "process that sent last"),
	columnOf("lrpid", typeNumber, "process that received last"),
	columnOf("sent", TypeTime, "last send"),
	columnOf("received", TypeTime, "last receive"),
	columnOf("class", typeText, "in-use, protected, unknown, has-data, orphan or candidate: see \"sysvipc gc --help\""),
	columnOf("explained", typeNumber, "attaches of a segment that belong to users who can be seen"),
	columnOf("waiters", typeNumber, "threads that are seen to wait on a set or queue"),
}

func columnOf(name string, typ valueType, help string) column {
	return column{name, typ, help, output.ObjectField(name)}
}

// Of is what the column says of an object.
func (c *column) Of(v *View, e *Entry) value {
	o := e.Published(v)
	field, ok := c.field.Of(o)
	if !ok {
		return value{State: Absent}
	}
	if field.Kind() == reflect.Pointer {
		if field.IsNil() {
			return stateIf(slices.Contains(o.Unknown, c.Name), unknown, value{State: none})
		}
		field = field.Elem()
	}
	switch field.Kind() {
	case reflect.String:
		return text(field.String())
	case reflect.Bool:
		return boolean(field.Bool())
	case reflect.Struct:
		return value{N: field.Interface().(time.Time).Unix()}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return number64(field.Int())
	}
	return number64(int64(field.Uint()))
}

// UserColumns are about the users of an object, and need a look at every process.
var UserColumns = []string{"class", "explained", "waiters"}

// ColumnNamed finds a column.
func ColumnNamed(name string) (*column, error) {
	for i := range Columns {
		if Columns[i].Name == name {
			return &Columns[i], nil
		}
	}
	hint := ""
	for i := range Columns {
		if near := Columns[i].Name; strings.HasPrefix(near, name) || strings.HasPrefix(name, near) || distance(name, near) <= 2 {
			hint = ": did you mean " + near + "?"
			break
		}
	}
	if hint == "" {
		hint = "; there are " + strings.Join(columnNames(), " ")
	}
	return nil, cli.Usage("%q is no column%s", name, hint)
}

func columnNames() []string {
	names := make([]string, len(Columns))
	for i := range Columns {
		names[i] = Columns[i].Name
	}
	return names
}

// ColumnList finds the columns of a list with commas.
func ColumnList(list string) ([]*column, error) {
	var cols []*column
	for _, name := range strings.Split(list, ",") {
		c, err := ColumnNamed(strings.ToLower(strings.TrimSpace(name)))
		if err != nil {
			return nil, err
		}
		cols = append(cols, c)
	}
	return cols, nil
}

// distance is how many letters must change, come or go to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
