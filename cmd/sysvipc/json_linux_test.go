package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// The files in testdata/json are what the verbs print for programs, of the same objects each time; what
// differs from one run or machine to another is made the same. What they print is valid by the JSON Schema
// in docs/schema, and has no field that is not in it; there is a case for each verb that writes JSON. After
// a change that is wanted:
//
//	go test ./cmd/sysvipc -run TestJSON -update
func TestJSON(t *testing.T) {
	if !*update {
		t.Parallel()
	}
	if ipctest.UnderQEMU() {
		t.Skip("other ports have other limits")
	}
	if *update {
		t.Setenv("SYSVIPC_UPDATE", "1") // for the process that is alone
	}
	if !ipctest.Alone(t) {
		return
	}
	r, err := makeRegion("orders")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Remove()
	defer r.Close()
	g := golden{t: t, dir: t.TempDir(), schemas: closedSchemas(t), seen: map[string]bool{}}
	g.run("mk", "mk", "shm", "--key", "0x51", "--size", "10000", "-o", "json")
	g.run("mk-found", "mk", "shm", "--key", "0x51", "--size", "10000", "-o", "json")
	g.setUp("mk", "shm", "--size", "2000", "--mode", "0666")
	g.setUp("mk", "sem", "--key", "0x52", "--init", "1,0,0")
	g.setUp("mk", "msg", "--key", "0x53")
	g.setUp("msg", "send", "msg:0", "--type", "7", "a\tb\x1b\u202e")
	g.input("\xff\x00")
	g.setUp("msg", "send", "msg:0", "--type", "9")
	waiters := []*exec.Cmd{
		g.start("sem", "take", "sem:0", "-n", "1", "--timeout", "1h"),
		g.start("sem", "op", "sem:0", "0=0", "2+1:undo"),
		g.start("msg", "recv", "msg:0", "--type", "5"),
	}
	for i, cmd := range waiters {
		ipctest.WaitBlockedOn(t, cmd.Process.Pid, []string{"sem", "sem", "msg"}[i], 0, 1)
	}

	g.run("ls", "ls", "-o", "json")
	g.valid("ls", "posix", "-o", "json")
	g.run("ls-users", "ls", "--users", "-o", "json")
	g.run("ls-lines", "ls", "sem", "-o", "jsonl")
	g.run("show", "show", "shm:1", "sem:0", "msg:0", "-o", "json")
	g.run("explain", "explain", "shm:1", "sem:0", "msg:0", "-o", "json")
	g.run("who", "who", "shm:1", "sem:0", "msg:0", "-o", "json")
	g.valid("who", fmt.Sprintf("pid:%d", waiters[0].Process.Pid), "-o", "json")
	g.run("waits", "waits", "-o", "json")
	g.run("gc", "gc", "--min-age", "0", "-o", "json")
	g.run("doctor", "doctor", "-o", "json")
	g.run("ls-columns", "ls", "-O", "ref,key,mode,size,messages,sent,owner", "-o", "json")
	g.run("ls.csv", "ls", "-o", "csv", "-O", "ref,type,id,key,key_hex,mode,mode_str,size,nattch,destroyed,attached,nsems,messages,bytes,max_bytes,sent")
	g.run("ls.txt", "ls", "-O", "ref,key,mode,size,nattch,nsems,messages,sent")
	g.run("limits", "limits", "-o", "json")
	g.run("ns", "ns", "-o", "json")
	g.run("sem-get", "sem", "get", "sem:0", "-o", "json")
	g.run("msg-peek", "msg", "peek", "msg:0", "-o", "json")
	g.run("msg-peek-lines", "msg", "peek", "msg:0", "-o", "jsonl")
	g.run("region-ls", "region", "ls", "-o", "json")
	g.run("region-show", "region", "show", "orders", "-o", "json")
	g.run("region-get", "region", "get", "orders", "-o", "json")
	g.run("region-watch", "region", "watch", "orders", "best", "--count", "1", "-o", "jsonl")
	g.run("region-hz", "region", "hz", "orders", "count", "in", "--count", "1", "--interval", "0.01", "-o", "jsonl")
	g.setUp("region", "pub", "orders", "in", `{"Qty":3}`)
	g.run("region-sub", "region", "sub", "orders", "in", "--count", "1", "-o", "jsonl")

	for _, cmd := range waiters {
		cmd.Process.Kill()
		cmd.Wait()
	}
	g.run("dump-dry", "dump", "--dry-run", "--only", "sem:0", "-o", "json")
	g.run("dump", "dump", "-f", "all.sysv", "--only", "shm:1", "--only", "sem:0", "--only", "msg:0", "-o", "json")
	g.run("restore-dry", "restore", "-f", "all.sysv", "--skip-existing", "--dry-run", "-o", "json")
	g.run("msg-recv", "msg", "recv", "msg:0", "--count", "1", "-o", "json")
	g.run("msg-recv-lines", "msg", "recv", "msg:0", "-o", "jsonl", "--count", "1")
	g.setUp("rm", "--force", "shm:1", "sem:0", "msg:0")
	g.run("restore", "restore", "-f", "all.sysv", "-o", "json")
	g.line("watch", "watching", []string{"watch", "msg", "--jsonl", "--interval", "0.005"}, "mk", "msg", "--key", "0x54")
	g.line("msg-tail", "", []string{"msg", "tail", "msg:2", "--interval", "0.005", "-o", "jsonl"}, "msg", "send", "msg:2", "hello")
	g.run("set", "set", "msg:2", "--mode", "0640", "--qbytes", "100", "-o", "json")
	g.run("rm-dry", "rm", "--dry-run", "--force", "msg:2", "-o", "json")
	g.run("rm", "rm", "--force", "msg:2", "-o", "json")
	g.valid("undo", "--list", "-o", "json")
	g.run("undo", "undo", "-o", "json")
	g.run("mk-sem", "mk", "sem", "--init", "1", "-o", "json")
	g.run("mk-msg", "mk", "msg", "-o", "json")
	g.run("ftok", "ftok", "--name", "orders", "-o", "json")
	g.valid("ftok", "/", "R", "-o", "json")
	g.valid("version", "-o", "json")
	g.valid("bench", "--quick", "--only", "pipe,sysv-msg", "-o", "json")
	g.all(newRoot())
	g.setUp("ls", "-o", "name")
	g.input(g.out.String())
	g.setUp("rm", "--force", "--no-backup", "-")
}

// golden compares what the command prints with files.
type golden struct {
	t   *testing.T
	dir string // where it runs
	in  string // of the next command
	out bytes.Buffer

	schemas *jsonschema.Compiler
	seen    map[string]bool // verbs whose JSON was valid, as the schema names them
}

func (g *golden) input(text string) { g.in = text }

func (g *golden) command(args ...string) *exec.Cmd {
	cmd := command(g.t, args...)
	cmd.Dir = g.dir
	cmd.Env = append(os.Environ(), "TZ=UTC", "SYSVIPC_STATE="+g.dir)
	return cmd
}

// setUp runs a command whose output is not compared. That not all users can be seen is no failure.
func (g *golden) setUp(args ...string) {
	g.t.Helper()
	var stderr bytes.Buffer
	g.out.Reset()
	cmd := g.command(args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(g.in), &g.out, &stderr
	g.in = ""
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != cli.ExitNotPermitted {
		g.t.Fatalf("%v: %v: %s", args, err, &stderr)
	}
}

func (g *golden) start(args ...string) *exec.Cmd {
	g.t.Helper()
	cmd := g.command(args...)
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// run compares the output of a command with a file.
func (g *golden) run(file string, args ...string) {
	g.t.Helper()
	g.valid(args...)
	g.compare(file)
}

// valid only checks the output of a command by the schema.
func (g *golden) valid(args ...string) {
	g.t.Helper()
	g.setUp(args...)
	g.validate(args)
}

// line compares the first line of a command that goes on until it is ended. It writes it after another one; if it
// says something first, it says it when that can begin.
func (g *golden) line(file, says string, args []string, another ...string) {
	g.t.Helper()
	cmd := g.command(args...)
	stdout, _ := cmd.StdoutPipe()
	stderr, _ := cmd.StderrPipe()
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if says != "" {
		if line, err := bufio.NewReader(stderr).ReadString('\n'); err != nil || !strings.HasPrefix(line, says) {
			g.t.Fatalf("%v said %q: %v", args, line, err)
		}
	}
	g.setUp(another...)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		g.t.Fatal(err)
	}
	g.out.Reset()
	g.out.WriteString(line)
	g.validate(args)
	g.compare(file)
}

// validate checks what a command wrote by the schema of its verb.
func (g *golden) validate(args []string) {
	g.t.Helper()
	verb, _, err := newRoot().Find(args)
	if err != nil {
		g.t.Fatal(err)
	}
	name := schemaName(verb)
	switch has := func(word string) bool { return slices.Contains(args, word) }; {
	case has("jsonl") || has("--jsonl"):
		name += "-lines"
	case !has("json"):
		return
	case has("-O"):
		name += "-columns"
	case has("--list"):
		name += "-list"
	case has("posix"):
		name += "-posix"
	case slices.ContainsFunc(args, func(s string) bool { return strings.HasPrefix(s, "pid:") }):
		name += "-process"
	}
	s, err := g.schemas.Compile("sysvipc.json#/$defs/" + name)
	if err != nil {
		g.t.Fatal(err)
	}
	for line := range bytes.Lines(g.out.Bytes()) {
		text := line
		if !strings.HasSuffix(name, "-lines") {
			text = g.out.Bytes()
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err == nil {
			err = s.Validate(value)
		}
		if err != nil {
			g.t.Errorf("%v is not as docs/schema says: %v\n%s", args, err, text)
		}
	}
	g.seen[name] = true
}

// all fails for a verb that writes JSON and was not validated.
func (g *golden) all(cmd *cobra.Command) {
	g.t.Helper()
	for _, sub := range cmd.Commands() {
		g.all(sub)
	}
	var formats []string
	if f := cmd.Flags().Lookup("output"); f != nil {
		formats = strings.Split(strings.TrimPrefix(f.Usage, "format: "), ", ")
	}
	name := schemaName(cmd)
	if name == "trace" {
		return // few may run it: its own test does
	}
	jsonl := cmd.Flags().Lookup("jsonl") != nil && name != "msg-send" // which reads it
	if slices.Contains(formats, "json") && !g.seen[name] || (jsonl || slices.Contains(formats, "jsonl")) && !g.seen[name+"-lines"] {
		g.t.Errorf("%s writes JSON, and has no case here", cmd.CommandPath())
	}
}

// schemaName is what the schema calls a verb: "msg-peek".
func schemaName(verb *cobra.Command) string {
	_, name, _ := strings.Cut(verb.CommandPath(), " ")
	return strings.ReplaceAll(name, " ", "-")
}

// closedSchemas are those of docs/schema, which leave room for fields of later versions, without that room.
func closedSchemas(t *testing.T) *jsonschema.Compiler {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "docs", "schema", "sysvipc-2.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	closeObjects(doc)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	delete(doc.(map[string]any), "$id")
	if err := c.AddResource("sysvipc.json", doc); err != nil {
		t.Fatal(err)
	}
	return c
}

func closeObjects(schema any) {
	switch s := schema.(type) {
	case []any:
		for _, v := range s {
			closeObjects(v)
		}
	case map[string]any:
		for _, v := range s {
			closeObjects(v)
		}
		if s["type"] == "object" {
			s["additionalProperties"] = false
		}
	}
}

func (g *golden) compare(file string) {
	g.t.Helper()
	if filepath.Ext(file) == "" {
		file += ".json"
	}
	got := normal(g.t, file, g.out.Bytes())
	path := filepath.Join("testdata", "json", file)
	if os.Getenv("SYSVIPC_UPDATE") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			g.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		g.t.Error(err)
	} else if diff := cmp.Diff(string(want), string(got)); diff != "" {
		g.t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// normal is output with what differs between runs and machines made the same, and JSON with a line for each value.
func normal(t *testing.T, file string, text []byte) []byte {
	t.Helper()
	switch file {
	case "ns.json": // of the namespaces, that of this process stands first
		lines := strings.SplitAfter(string(text), "\n")
		text = []byte(lines[0] + strings.TrimSuffix(lines[1], ",\n") + "\n" + lines[len(lines)-2])
	case "doctor.json": // the machine may have findings, too
		var kept []string
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, `{"check"`) || strings.Contains(line, `"world-writable"`) {
				kept = append(kept, line)
			}
		}
		text = []byte(strings.ReplaceAll(strings.Join(kept, ""), "},\n]", "}\n]"))
	}
	if file == "gc.json" {
		text = regexp.MustCompile(`"action":"[a-z-]+","why":("[^"]*"|null)`).ReplaceAll(text, []byte(`"action":"keep","why":"never removed"`))
	}
	for _, p := range varying {
		text = p.what.ReplaceAll(text, []byte(p.by))
	}
	if filepath.Ext(file) != ".json" {
		return text
	}
	var out bytes.Buffer
	for in := json.NewDecoder(bytes.NewReader(text)); in.More(); {
		var raw json.RawMessage
		err := in.Decode(&raw)
		if err == nil {
			err = json.Indent(&out, raw, "", "\t")
		}
		if err != nil {
			t.Fatalf("%s is no JSON: %v\n%s", file, err, text)
		}
		out.WriteByte('\n')
	}
	return out.Bytes()
}

// varying is what is another each time, or depends on what this user may see. What is null stays null.
var varying = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`"(pid|tid|cpid|lpid|lspid|lrpid|ns|age|idle|seconds|processes|joined|rss|swap)":[0-9.]+`), `"$1":1`},
	{regexp.MustCompile(`"(uid|gid|cuid|cgid)":\d+`), `"$1":0`},
	{regexp.MustCompile(`"(owner|group)":("[^"]*"|null)`), `"$1":"root"`},
	{regexp.MustCompile(`"(comm)":"[^"]*"`), `"$1":"sysvipc"`},
	{regexp.MustCompile(`"(container|unit)":"[^"]*"`), `"$1":null`},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?`), `2026-01-31T12:00:00Z`},
	{regexp.MustCompile(`process \d+( \([^)]*\))?`), `process 1`},
	{regexp.MustCompile(`/proc/\d+`), `/proc/1`},
	{regexp.MustCompile(`task/\d+`), `task/1`},
	{regexp.MustCompile(`\b\d+s ago`), `1s ago`},
	{regexp.MustCompile(`"(pids)":\[[\d,]+\]`), `"$1":[1]`},
	{regexp.MustCompile(`"(mounts|descriptors)":\[[^\]]*\]`), `"$1":[]`},
	{regexp.MustCompile(`"complete":false`), `"complete":true`},
	{regexp.MustCompile(`"warnings":\["[^]]*"\]`), `"warnings":[]`},
	{regexp.MustCompile(`"unknown":\["users"\]`), `"unknown":[]`},
	{regexp.MustCompile(`"class":"[a-z-]+"`), `"class":"unknown"`},
	{regexp.MustCompile(`"explanation":"[^"]+(\\"[^"]*)*"`), `"explanation":"…"`},
	{regexp.MustCompile(`"rule":\d+,"reasons":\["[^]]*"\]`), `"rule":1,"reasons":["…"]`},
	{regexp.MustCompile(`"(in_per_second|incarnation)":[0-9.]+`), `"$1":1`},
}
