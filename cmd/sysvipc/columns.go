package main

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
	name  string
	typ   valueType
	help  string
	field output.Field
}

// view is what a listing knows beside the objects.
type view struct {
	now    time.Time
	users  account.Names
	groups account.Names
	ns     uint64 // the IPC namespace of the objects; 0 if it is not known
	own    uint64 // that of this process
	// beside is true if the namespace stands in a column of its own.
	beside bool
	// warnings say what could not be seen of the users of the objects.
	warnings []string
}

func newView() *view {
	own := inspect.CurrentNamespace()
	return &view{now: time.Now(), users: account.Names{Lookup: account.User}, groups: account.Names{Lookup: account.Group}, ns: own, own: own}
}

// object is the entry as it is published. It is made once.
func (e *entry) object(v *view) *output.Object {
	if e.shown != nil {
		return e.shown
	}
	look := v.look(e)
	switch {
	case e.users != nil:
		e.shown = look.Inspected(e.users)
	case e.seg != nil:
		e.shown = look.Segment(e.seg)
	case e.set != nil:
		e.shown = look.Set(e.set)
	default:
		e.shown = look.Queue(e.queue)
	}
	return e.shown
}

func (v *view) look(e *entry) output.Look {
	ns, own := v.ns, v.own
	if e.ns != 0 {
		ns = e.ns
	}
	if v.beside {
		own = ns
	}
	return output.Look{Time: v.now, Namespace: ns, Own: own, User: v.users.Name, Group: v.groups.Name}
}

// columns are those of the table, JSON and CSV, in the order of JSON and CSV.
var columns = []column{
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
	columnOf("changed", typeTime, "made, or owner or mode changed (for sets also SETVAL and SETALL)"),
	columnOf("age", typeAge, "seconds since changed"),
	columnOf("idle", typeAge, "seconds since the last use that the kernel noted"),
	columnOf("size", typeSize, "bytes of a segment"),
	columnOf("nattch", typeNumber, "attaches of a segment (mappings, not processes)"),
	columnOf("rss", typeSize, "bytes of a segment in memory"),
	columnOf("swap", typeSize, "bytes of a segment in swap"),
	columnOf("cpid", typeNumber, "process that made the segment"),
	columnOf("lpid", typeNumber, "process that attached or detached last"),
	columnOf("attached", typeTime, "last attach"),
	columnOf("detached", typeTime, "last detach"),
	columnOf("destroyed", typeBool, "removed, and gone with its last detach"),
	columnOf("locked", typeBool, "never swapped out (SHM_LOCK)"),
	columnOf("nsems", typeNumber, "semaphores in the set"),
	columnOf("operated", typeTime, "last operation on the set; none: perhaps not initialised"),
	columnOf("messages", typeNumber, "messages on the queue"),
	columnOf("bytes", typeSize, "bytes of the messages on the queue"),
	columnOf("max_bytes", typeSize, "capacity of the queue in bytes (msg_qbytes)"),
	columnOf("lspid", typeNumber, "process that sent last"),
	columnOf("lrpid", typeNumber, "process that received last"),
	columnOf("sent", typeTime, "last send"),
	columnOf("received", typeTime, "last receive"),
	columnOf("class", typeText, "in-use, protected, unknown, has-data, orphan or candidate: see \"sysvipc gc --help\""),
	columnOf("explained", typeNumber, "attaches of a segment that belong to users who can be seen"),
	columnOf("waiters", typeNumber, "threads that are seen to wait on a set or queue"),
}

func columnOf(name string, typ valueType, help string) column {
	return column{name, typ, help, output.ObjectField(name)}
}

// of is what the column says of an object.
func (c *column) of(v *view, e *entry) value {
	o := e.object(v)
	field, ok := c.field.Of(o)
	if !ok {
		return value{state: absent}
	}
	if field.Kind() == reflect.Pointer {
		if field.IsNil() {
			return stateIf(slices.Contains(o.Unknown, c.name), unknown, value{state: none})
		}
		field = field.Elem()
	}
	switch field.Kind() {
	case reflect.String:
		return text(field.String())
	case reflect.Bool:
		return boolean(field.Bool())
	case reflect.Struct:
		return value{n: field.Interface().(time.Time).Unix()}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return number64(field.Int())
	}
	return number64(int64(field.Uint()))
}

// userColumns are about the users of an object, and need a look at every process.
var userColumns = []string{"class", "explained", "waiters"}

// columnNamed finds a column.
func columnNamed(name string) (*column, error) {
	for i := range columns {
		if columns[i].name == name {
			return &columns[i], nil
		}
	}
	hint := ""
	for i := range columns {
		if near := columns[i].name; strings.HasPrefix(near, name) || strings.HasPrefix(name, near) || distance(name, near) <= 2 {
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
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].name
	}
	return names
}

// columnList finds the columns of a list with commas.
func columnList(list string) ([]*column, error) {
	var cols []*column
	for _, name := range strings.Split(list, ",") {
		c, err := columnNamed(strings.ToLower(strings.TrimSpace(name)))
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
