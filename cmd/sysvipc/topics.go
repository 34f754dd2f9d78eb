package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/internal/cli/help"
)

// newTopics returns the pages of help that are about no verb.
func newTopics() []*cobra.Command {
	formats := &cobra.Command{Use: "formats", Short: "The columns, and the shape of JSON", Long: helpFormats}
	formats.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		fmt.Fprint(cmd.OutOrStdout(), help.Fill(helpFormats+"\n\nThe columns:\n"+columnHelp()))
	})
	return []*cobra.Command{
		{Use: "ref", Short: "How to name an object", Long: helpRef},
		{Use: "filter", Short: "Conditions for ls --filter", Long: helpFilter},
		formats,
		{Use: "from-ipcs", Short: "What to write instead of ipcs, ipcrm, ipcmk, lsipc and flock", Long: helpFromIpcs},
	}
}

// columnHelp lists the columns.
func columnHelp() string {
	var b strings.Builder
	for _, c := range listing.Columns {
		fmt.Fprintf(&b, "  %-12s  %s\n", c.Name, c.Help)
	}
	return b.String()
}

const helpRef = `A REF names an object by its kind and its ID, or by its kind and its key:

  shm:5                 the segment with the ID 5; IDs are shown by "sysvipc ls"
  sem:key=0x4d2         the semaphore set with this key; also decimal, signed or not
  msg:ftok=/srv/app:R   the queue with the key that ftok(3) makes of a file and a
                        project: a character, or a number (1, 0x52)
  msg:name=orders       the queue with the key that package sysvipc makes of a name
  ns=4026532199/shm:5   the segment 5 of that IPC namespace, as "ls --ns" writes it

The kinds are shm (segments), sem (semaphore sets) and msg (queues). An ID is valid until
the object is removed, and in one IPC namespace; 0 is an ID like any other. The key
0x00000000 (IPC_PRIVATE) names no object. IDs begin at 0 in every namespace, so "ls --ns"
writes REFs with theirs, and a verb works where its REF says. To enter another namespace
needs CAP_SYS_ADMIN (exit code 4 without).

Verbs that take several REFs also take - for those on standard input, one on each line,
as "sysvipc ls -o name" writes them.`

const helpFromIpcs = `What to write instead of the commands of util-linux. The objects are the same ones: both
can be used side by side.

  ipcs, ipcs -m, -s, -q         sysvipc ls, ls shm, ls sem, ls msg
  ipcs -m -i 5, lsipc -m -i 5   sysvipc show shm:5
  ipcs -p                       sysvipc ls -O ref,cpid,lpid; sysvipc who shm:5
  ipcs -t                       sysvipc ls -O ref,changed,attached,detached,operated
  ipcs -c                       sysvipc ls -O ref,owner,group,cuid,cgid
  ipcs -l, ipcs -u, lsipc       sysvipc limits
  lsipc -m -J, -e, -r           sysvipc ls shm -o json, jsonl, csv
  lsipc -m -o KEY,SIZE -b       sysvipc ls shm -O key,size --bytes
  ipcs -m | awk '$6 == 0'       sysvipc ls shm --filter 'nattch=0'
  watch ipcs                    sysvipc top, sysvipc watch

  ipcrm -m 5, -s 5, -q 5        sysvipc rm shm:5, rm sem:5, rm msg:5
  ipcrm -M 0x4d2                sysvipc rm shm:key=0x4d2
  ipcrm -a                      sysvipc ls -o name | sysvipc rm --force -
  ipcs -s | awk … | xargs ipcrm sysvipc gc, then sysvipc gc --yes
  ipcmk -M 10M                  sysvipc mk shm --size 10M
  ipcmk -S 3                    sysvipc mk sem --nsems 3, or --init 1,0,0
  ipcmk -Q -p 0660              sysvipc mk msg --mode 0660

  flock FILE CMD                sysvipc run --name NAME -- CMD
  flock -n FILE CMD             sysvipc run --name NAME --nowait -- CMD
  flock -w 5 -E 75 FILE CMD     sysvipc run --name NAME --timeout 5s -E 75 -- CMD
  sem --fg --id x -j 4 CMD      sysvipc run --name x --slots 4 -- CMD

"rm" refuses what is in use (exit code 5) unless --force is given, and saves what it
removes: "sysvipc undo" brings it back. "mk" has mode 0600, where ipcmk has 0644.

docs/migrate.md in the sources of sysvipc has the same for Perl, Python, PHP and Go.`

const helpFilter = `A filter is made of comparisons, with && (and), || (or), ! (not) and parentheses:

  sysvipc ls shm --filter 'nattch=0 && age>1d && owner=apache'
  sysvipc ls --filter '(messages>0 || nattch>0) && !(owner~^pg)'

A comparison is a column, an operator and a value. The operators are = (or ==), !=, <,
<=, >, >= and ~, which looks for a regular expression. A column of yes and no may stand
alone: destroyed. Values with spaces or parentheses stand in quotes. Their form is that
of the column:

  numbers    nsems>=2
  sizes      size>1.5G: 1K is 1024 bytes, 1KB is 1000
  ages       age>90, age>1d12h: seconds, or with s, m, h, d, w, y
  times      changed<2026-01-31, sent>'2026-01-31 12:00', attached=never
  modes      mode=0666, in octal
  keys       key=0x4d2, key=0 for objects without one
  names      owner=apache, owner=48, type=msg, ref~:5$

What nobody here can tell is neither equal nor unequal to anything, and neither is what
objects of this kind do not have: nattch=0 holds for segments only, and so does
!(nattch>0). So an object that cannot be read is never taken for an unused one.

The columns are those of "sysvipc help formats".`

const helpFormats = `"sysvipc ls" writes objects in one of these formats:

  table   for eyes: a section for each kind; with -O one table
  wide    the same with more columns
  json    one document
  jsonl   one JSON object on each line, with its schema
  csv     a head line, then one line for each object
  name    REFs, one on each line, as other verbs read them with -

A JSON document is an object with these fields. docs/schema/sysvipc-2.json in the
sources of sysvipc is its JSON Schema: "#/$defs/ls" is the document of ls.

  schema    "sysvipc/2", the version of all that is said here
  complete  false if something that was asked for is missing; warnings say what
  warnings  a list of sentences
  objects   a list of objects (ls, show, who, gc, mk, set, rm, dump, restore, undo,
            sem get)
  waits     a list of blocked threads instead (waits)
  namespaces, findings   lists instead (ns; doctor)
  processes  a list of processes instead (who pid:N)
  messages  a list of messages instead (msg recv, msg peek)
  limits    a list of limits instead (limits)
  regions   a list of regions instead (region ls, region show)
  values    a list of values instead (region get)
  files, keys, versions  lists instead (undo --list; ftok; version)

An object has the columns below that its kind has, and "unknown", the names of those that
are not known: these are null, and never 0. Null and not in "unknown" means that there is
none: never attached, no last process. Numbers are numbers, sizes are bytes,
ages are seconds, times are RFC 3339. -O leaves only the columns that it names. "show"
adds "semaphores" to a set: a list of objects with "index", "value", "pid" (who operated
on it last), "ncnt" (how many wait to acquire it), "zcnt" (how many wait for zero) and
"unknown"; and to a queue "counted", how many of its messages were counted (16384 at
most), and "types". A type has "type", "messages", "bytes", "smallest", "largest", "first"
(the index of its first message) and "sizes": how many "messages" have "up_to" so many
bytes. "mk" adds "made": whether the object is new; "set" adds "done", the flags that did
something. "rm" has "ref", "type", "id", "action" (removed, would-remove or keep) and
"why"; "sem get" has "ref" and "values". "dump" and "restore" have what the file keeps; "dump" adds "saved", "was_attached" and
"in_use", "restore" adds "outcome" (restored, would-restore, skipped or failed) and
"restored_as".

"ls --users", "show", "who" and "gc" look at every process, and add to an object: "class",
"explained" and "waiters" of the columns below; "users"; "verdict" with "class", "rule" and
"reasons" (see "sysvipc help gc"); "product" ("name", "tool" and "sign", or null); and to a
segment "creator" with "pid", "alive" and "reused". A user has "pid", "tid" (of a thread
that waits), "comm", "role" (attached, waiting, creator, last-user, operator, last-sender,
last-receiver or holder), "status" (alive, dead, reused or hidden), "alive", "reused", "uid",
"container", "unit" and "evidence"; one that is attached has "mappings", "read_only" and
"elsewhere" (it is in another IPC namespace now). Users and creators have an "unknown" of
their own. If that of the object has "users", there are some that cannot be seen. "gc" adds
"action" and "why", as "rm". A filter or an order by one of those columns looks at every
process, too.

A wait has "pid", "tid", "comm", "uid", "ref", "type", "id", "op" (operate, send or
receive), "what" (the same in words), "since", "seconds", "timeout", "holders" (each with
"pid", "comm", "alive", "self" and "why"; all of them are probable), "cycle" (the number
of a probable deadlock) and "unknown"; on a set "semnum" and "ops", a list of operations
with "semnum", "delta", "undo" and "nowait"; on a queue "msgtype" (as
in msgrcv(2)), "except", "size", "stuck" and "types_on_queue".

A process of "who pid:N" has "pid", "comm", "alive", "uid",
"ns" (of its objects), "container", "unit", "uses" (objects with its "role" and the other
fields of a user), "holds" (objects with "why", and "waiters", the pids that wait because of
it), "waits" and "unknown".

A namespace has "ns", "own", "processes", "pids", "mounts", "descriptors", "path",
"container", "segments", "sets", "queues" and "unknown". A finding has "check",
"severity" (warning or critical; ok for what an error can mean), "text" and "remedy". The
lines of "watch --jsonl" have "time", "event" and "what", and the fields of an object.

A file of "undo" has "file", "time", "size", "program", "namespace", "undone" and
"unknown". A key has "key", "key_hex", "path", "proj" and "name". A version has "program",
"version", "revision", "go", "os" and "arch".

A message has "type", "size" and "text", or "base64" instead of "text" if it is not
UTF-8; "msg peek" adds "index".

A limit has "name", "what", "value", "used", "percent", "sysctl" and "field": "value" is
null where there is no limit, "used" and "percent" for what limits one object or call,
"sysctl" for what cannot be changed; "field" is the place of the number where the sysctl has several, else null.

A region has "ref", "name", "size", "used", "structure_count", "max_structures", "process_count",
"dead_count" (killed, and not reaped), "max_processes" and "created"; "region show" adds
"structures", "processes" and "holds": who holds which structure, with "role" ("locks", "reads" or
"subscribes"), "tid" for a lock, "reads", and "behind" in messages. A value has "name", "kind" and "value", in the form of "sysvipc
help region"; the lines of "region watch" and "region sub" have "schema", "time", "name"
and "value".

Programs that read this ignore fields that they do not know: later versions add some.

CSV has the columns of all kinds; what is null in JSON, or does not exist, is empty.`
