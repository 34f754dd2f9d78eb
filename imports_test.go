package sysvipc_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

const module = "github.com/sysvipc/sysvipc"

// room is a folder, with what is below it, and what it may import besides the standard library. Change this table in a
// commit of its own that says why.
type room struct {
	path    string
	why     string
	rooms   []string
	modules []string
	program bool // it may print, log, exec and exit
	tests   bool // it is for tests only
}

var rooms = []room{
	{path: "internal/plot", why: "pictures: it knows nobody", modules: []string{plots}},
	{path: "internal/sysv", why: "the kernel's own words: it knows nobody", modules: []string{xsys}},
	{path: "internal/plural", why: "numbers with their nouns, for what inspect and the commands say: it knows nobody"},
	{path: "internal/cli", why: "what both commands share: what the tour has, too, is without cobra", rooms: []string{"."}, modules: []string{xsys}},
	{path: "internal/cli/flags", why: "flags of both commands", rooms: []string{"internal/cli"}, modules: []string{cobra}},
	{path: "internal/cli/help", why: "help of both commands: it knows their verbs by cobra alone", modules: []string{cobra}},
	{path: "internal/cli/help/helptest", why: "checks the help of both commands, and makes their man pages", rooms: []string{"internal/cli/help"}, modules: []string{cobra}, program: true, tests: true},
	{path: "internal/cli/ref", why: "REFs of both commands, and their flags", rooms: []string{".", "inspect", "internal/cli", "internal/cli/flags", "internal/plural"}, modules: []string{cobra}},
	{path: ".", why: "policy over the kernel's words", rooms: []string{"internal/sysv"}, modules: []string{xsys}},
	{path: "shared", why: "lives in a segment; who imports it gains no other dependency", rooms: []string{".", "shared/internal/structure", "shared/internal/core", "shared/shape", "shared/dynamic"}, modules: []string{xsys}},
	{path: "shared/shape", why: "where the numbers of a type lie: it knows nobody"},
	{path: "shared/internal/core", why: "regions, participants, robust locks and waiting: it knows no structure", rooms: []string{".", "shared/shape"}, modules: []string{xsys}},
	{path: "shared/internal/structure", why: "what lies in regions: it knows no Go type", rooms: []string{".", "shared/internal/core", "shared/shape"}},
	{path: "shared/dynamic", why: "the structures without Go types", rooms: []string{".", "shared", "shared/internal/structure", "shared/internal/core", "shared/shape"}},
	{path: "inspect", why: "looks at what the kernel shows of others, and not into regions", rooms: []string{".", "internal/plural"}, modules: []string{xsys, procfs}},
	{path: "internal/output", why: "the JSON and the tables of both commands and of the dashboard: made of what the kernel and inspect say", rooms: []string{".", "inspect"}},
	{path: "internal/contents", why: "what a queue holds, for the command and the dashboard", rooms: []string{".", "internal/output"}},
	{path: "cluster", why: "the same objects over NATS", rooms: []string{"."}, modules: []string{xsys, nats}},
	{path: "cluster/bridge", why: "joins a kernel queue to one of the cluster", rooms: []string{".", "cluster"}, modules: []string{xsys, nats}},
	{path: "cluster/internal/clustertest", why: "servers for the tests of cluster", rooms: []string{".", "cluster"}, modules: []string{xsys, nats}, program: true, tests: true},
	{path: "internal/history", why: "a file of numbers and words, for both commands: it knows nobody"},
	{path: "internal/holders", why: "what a trace knows, on its way from sysvipcd to sysvipc", rooms: []string{"inspect"}, modules: []string{xsys}},
	{path: "dashboard", why: "shows what inspect sees, and how many calls trace counts", rooms: []string{".", "inspect", "internal/output", "internal/contents", "trace", "internal/plural", "internal/history"}, modules: []string{xsys, prometheus}},
	{path: "trace", why: "sees the calls of all processes by eBPF, which nothing else here needs", rooms: []string{"."}, modules: []string{xsys, ebpf}},
	{
		path: "cmd/sysvipc", why: "this machine; judged by its start-up, so without NATS and Prometheus; plots cost 0.2 ms of its start",
		rooms: []string{
			".", "shared", "shared/dynamic", "shared/shape", "inspect", "trace", "internal/plural", "internal/cli", "internal/cli/flags", "internal/cli/help", "internal/cli/ref", "internal/output", "internal/contents", "internal/history", "internal/holders", "docs/cookbook",
			"cmd/sysvipc/internal/archive", "cmd/sysvipc/internal/bench", "cmd/sysvipc/internal/demo", "cmd/sysvipc/internal/foreign", "cmd/sysvipc/internal/run", "cmd/sysvipc/internal/segread", "cmd/sysvipc/internal/top",
		}, modules: []string{xsys, cobra, terminal}, program: true,
	},
	{path: "cmd/sysvipc/internal/archive", why: "the file of dump, without a command line", rooms: []string{".", "inspect", "cmd/sysvipc/internal/segread"}, modules: []string{xsys, compress}},
	{path: "cmd/sysvipc/internal/bench", why: "measures how processes talk, with bare calls beside the library, without a command line", rooms: []string{".", "shared", "internal/output", "internal/plot"}, modules: []string{xsys}, program: true},
	{path: "cmd/sysvipc/internal/demo", why: "the tour, which has no more than the library", rooms: []string{".", "shared", "internal/cli", "cmd/sysvipc/internal/run"}, modules: []string{xsys}, program: true},
	{path: "cmd/sysvipc/internal/foreign", why: "what other programs keep in objects, from bytes alone: it opens nothing", rooms: []string{".", "internal/output"}},
	{path: "cmd/sysvipc/internal/run", why: "the lock that a command is run under, for the tour, too", rooms: []string{".", "internal/plural", "internal/cli"}, modules: []string{xsys}, program: true},
	{path: "cmd/sysvipc/internal/segread", why: "reads segments: it knows no command", rooms: []string{".", "inspect"}, modules: []string{xsys}},
	{path: "cmd/sysvipc/internal/top", why: "the live view: what it shows comes by its Machine", rooms: []string{".", "inspect", "internal/plural"}, modules: []string{xsys, terminal, ansi}, program: true},
	{
		path: "cmd/sysvipcd", why: "the daemon, which carries NATS and Prometheus by cluster and dashboard",
		rooms: []string{".", "inspect", "cluster", "cluster/bridge", "dashboard", "trace", "internal/history", "internal/holders", "internal/cli", "internal/cli/flags", "internal/cli/help", "internal/cli/ref", "internal/output"}, modules: []string{xsys, cobra, yaml}, program: true,
	},
	{path: "examples", why: "programs to read and to begin with: they use what users use", rooms: []string{".", "shared"}, program: true},
	{path: "docs/cookbook", why: "recipes, which the command prints: it knows nobody"},
	{path: "internal/ipctest", why: "serves the tests of every room, so it can import none of them", modules: []string{xsys}, program: true, tests: true},
	{path: "internal/bench", why: "benchmarks", rooms: []string{".", "shared", "internal/sysv"}, modules: []string{xsys}, program: true, tests: true},
	{path: "internal/spin", why: "runs the model checker, for the models of shared and cluster", program: true, tests: true},
	{path: "internal/docs", why: "runs what the pages show, and reads the files for GitHub", modules: []string{yaml}, program: true, tests: true},
	{path: "internal/interop", why: "programs in other languages", rooms: []string{".", "shared"}, modules: []string{xsys}, program: true, tests: true},
}

// The modules, by the beginning of their paths. What is not among them needs a reason, and a line in a room.
const (
	xsys       = "golang.org/x/sys/"
	nats       = "github.com/nats-io/"
	prometheus = "github.com/prometheus/client_golang/"
	procfs     = "github.com/prometheus/procfs"
	ebpf       = "github.com/cilium/ebpf"
	cobra      = "github.com/spf13/"
	yaml       = "go.yaml.in/yaml/v3" // the file of many bridges
	terminal   = "charm.land/"
	plots      = "github.com/go-analyze/charts"
	ansi       = "github.com/charmbracelet/x/ansi" // what bubbletea measures text with
	compress   = "github.com/klauspost/compress/"
)

// inTests are modules that any test may use, and nothing else.
var inTests = []string{
	"pgregory.net/rapid", "github.com/rogpeppe/go-internal/", "github.com/google/go-cmp/cmp", "github.com/chromedp/", xsys,
	"github.com/santhosh-tekuri/jsonschema/", // what the verbs print is as docs/schema says
	"github.com/anishathalye/porcupine",      // linearizability of the cluster's objects
}

// unsafeFiles may import unsafe: where pointers meet the kernel or a segment. Of shared the two lower
// storeys may, and what users see of it may not. Bench makes bare calls, as a C program does. Files of tests may, too.
var unsafeFiles = []string{"internal/sysv/*.go", "memory*.go", "shared/internal/core/*.go", "shared/internal/structure/*.go", "internal/ipctest/*.go", "trace/attach_linux.go", "cmd/sysvipc/internal/bench/*.go"}

// loud are what a library leaves to its caller: where to print and log, what to run, and when to end.
var loud = []string{"log", "log/slog", "os/exec", "flag", "testing", "expvar", "net/http/pprof"}

// loudNames are the same of packages that are useful otherwise.
var loudNames = map[string]bool{
	"fmt.Print": true, "fmt.Printf": true, "fmt.Println": true, "os.Stdout": true, "os.Stderr": true, "os.Exit": true,
}

func roomOf(dir string) *room {
	var found *room
	for i, r := range rooms {
		if dir == r.path || strings.HasPrefix(dir, r.path+"/") {
			found = &rooms[i]
		}
	}
	return found
}

// sources calls f with each Go file of the module, for any system, and its path in it.
func sources(t *testing.T, f func(name string, file *ast.File)) {
	t.Helper()
	if _, err := os.Stat("go.mod"); err != nil {
		t.Skip("needs the module's sources:", err)
	}
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		check(err)
		switch base := d.Name(); {
		case d.IsDir() && (base == "testdata" || base == "vendor" || base != "." && strings.HasPrefix(base, ".")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(base, ".go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		check(err)
		f(filepath.ToSlash(name), file)
		return nil
	}))
}

func TestImports(t *testing.T) {
	t.Parallel()
	sources(t, func(name string, file *ast.File) {
		dir := path.Dir(name)
		r := roomOf(dir)
		if r == nil {
			t.Errorf("%s is in no room: name it in imports_test.go, and say what it may import", dir)
			return
		}
		test := r.tests || strings.HasSuffix(name, "_test.go")
		for _, imp := range file.Imports {
			what, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if complaint := complainAbout(r, name, what, test); complaint != "" {
				t.Errorf("%s imports %s: %s", name, what, complaint)
			}
		}
		if !r.program && !test {
			for _, word := range loudWords(file) {
				t.Errorf("%s uses %s: a library leaves that to its caller", name, word)
			}
		}
	})
}

// complainAbout says why a file of a room may not import something, or "".
func complainAbout(r *room, name, what string, test bool) string {
	first, _, _ := strings.Cut(what, "/")
	switch {
	case what == "unsafe":
		if !test && !slices.ContainsFunc(unsafeFiles, func(p string) bool { ok, _ := path.Match(p, name); return ok }) {
			return "unsafe belongs where pointers meet the kernel or a segment"
		}
	case what == "C":
		return "this module does without cgo"
	case what == module || strings.HasPrefix(what, module+"/"):
		dir := strings.TrimPrefix(strings.TrimPrefix(what, module), "/")
		if dir == "" {
			dir = "."
		}
		other := roomOf(dir)
		switch {
		case other == nil:
			return "it is in no room"
		case other == r || slices.Contains(r.rooms, other.path):
		case test && (other.tests || other.path == "internal/plot" || slices.Contains(r.rooms, ".") && other.path == "internal/sysv"):
		default:
			return fmt.Sprintf("%s may import %q; %s", r.path, r.rooms, r.why)
		}
	case strings.Contains(first, "."):
		begins := func(m string) bool { return strings.HasPrefix(what+"/", m) || strings.HasPrefix(what, m) }
		if !slices.ContainsFunc(r.modules, begins) && !(test && slices.ContainsFunc(inTests, begins)) {
			return fmt.Sprintf("%s may use the modules %q; %s", r.path, r.modules, r.why)
		}
	case slices.Contains(loud, what) && !r.program && !test:
		return "a library leaves that to its caller"
	}
	return ""
}

// loudWords are the names in a file that print or end the program.
func loudWords(file *ast.File) (words []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && loudNames[x.Name+"."+n.Sel.Name] {
				words = append(words, x.Name+"."+n.Sel.Name)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
				words = append(words, f.Name)
			}
		}
		return true
	})
	return words
}

// The rules themselves catch what they are for.
func TestImportRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, imports string
		ok            bool
	}{
		{"segment.go", module + "/internal/sysv", true},
		{"segment.go", "golang.org/x/sys/unix", true},
		{"segment.go", module + "/shared", false},
		{"segment.go", "unsafe", false},
		{"memory_linux.go", "unsafe", true},
		{"segment.go", "log", false},
		{"segment.go", "os/exec", false},
		{"segment.go", "pgregory.net/rapid", false},
		{"segment_test.go", "pgregory.net/rapid", true},
		{"segment_test.go", "unsafe", true},
		{"segment_test.go", "os/exec", true},
		{"segment_test.go", module + "/internal/ipctest", true},
		{"segment.go", module + "/internal/ipctest", false},
		{"segment.go", "github.com/nats-io/nats.go", false},
		{"internal/sysv/shm_linux.go", module, false},
		{"internal/sysv/shm_linux.go", "unsafe", true},
		{"shared/var.go", module, true},
		{"shared/var.go", module + "/internal/sysv", false},
		{"shared/var.go", module + "/inspect", false},
		{"inspect/who.go", module + "/shared", false},
		{"cluster/queue.go", "github.com/nats-io/nats.go/jetstream", true},
		{"cluster/queue.go", module + "/shared", false},
		{"cluster/queue.go", module + "/cluster/bridge", false},
		{"cluster/queue.go", module + "/cluster/internal/clustertest", false},
		{"cluster/bridge/send.go", module + "/cluster", true},
		{"cluster/bridge/send_test.go", module + "/cluster/internal/clustertest", true},
		{"trace/program_linux.go", "github.com/cilium/ebpf/asm", true},
		{"inspect/who.go", "github.com/cilium/ebpf", false},
		{"trace/event.go", module + "/inspect", false},
		{"dashboard/page.go", "github.com/prometheus/client_golang/prometheus", true},
		{"dashboard/page.go", module + "/inspect", true},
		{"inspect/who.go", "github.com/prometheus/client_golang/prometheus", false},
		{"cmd/sysvipc/ls.go", "github.com/spf13/cobra", true},
		{"cmd/sysvipc/ls.go", module + "/cluster", false},
		{"cmd/sysvipc/ls.go", "github.com/nats-io/nats.go", false},
		{"cmd/sysvipc/internal/run/run.go", module, true},
		{"cmd/sysvipc/internal/run/run.go", "os/exec", true},
		{"cmd/sysvipcd/serve.go", module + "/dashboard", true},
		{"cmd/sysvipcd/serve.go", "github.com/example/unheard-of", false},
	} {
		r := roomOf(path.Dir(c.name))
		if complaint := complainAbout(r, c.name, c.imports, r.tests || strings.HasSuffix(c.name, "_test.go")); (complaint == "") != c.ok {
			t.Errorf("%s imports %s: complaint %q, want one: %v", c.name, c.imports, complaint, !c.ok)
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), "", `package p; func f() { fmt.Println(); fmt.Sprint(); println(); w := os.Stderr; os.Exit(1) }`, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if got := loudWords(file); !slices.Equal(got, []string{"fmt.Println", "println", "os.Stderr", "os.Exit"}) {
		t.Errorf("loud words are %q", got)
	}
}

// A program that imports the root, or shared, gains one dependency: golang.org/x/sys.
func TestOneDependency(t *testing.T) {
	t.Parallel()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if text := listed(t, "-m", "-f", "{{.Dir}}", "golang.org/x/sys"); text == "" {
		t.Skip("needs the module cache")
	}
	packages := []string{module}
	if matches, _ := filepath.Glob(filepath.Join(root, "shared", "*.go")); len(matches) > 0 {
		packages = append(packages, module+"/shared")
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := "package main\n\n"
	for _, p := range packages {
		program += fmt.Sprintf("import _ %q\n", p)
	}
	write("main.go", program+"\nfunc main() {}\n")
	write("go.mod", fmt.Sprintf("module example.com/user\n\ngo 1.25.0\n\nrequire %s v0.0.0\n\nreplace %s => %s\n", module, module, strconv.Quote(root)))

	if _, err := goCommand(dir, "mod", "tidy"); err != nil {
		t.Fatal(err)
	}
	goMod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	required := regexp.MustCompile(`(?m)^(?:require|\t)[ ]?([^ (]+) v`).FindAllSubmatch(goMod, -1)
	var got []string
	for _, r := range required {
		got = append(got, string(r[1]))
	}
	if want := []string{module, "golang.org/x/sys"}; !slices.Equal(got, want) {
		t.Errorf("its go.mod requires %q, want %q:\n%s", got, want, goMod)
	}

	text, err := goCommand(dir, "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", ".")
	if err != nil {
		t.Fatal(err)
	}
	linked := slices.Compact(slices.Sorted(slices.Values(strings.Fields(text))))
	if want := []string{module, "golang.org/x/sys"}; !slices.Equal(linked, want) {
		t.Errorf("it links modules %q, want %q", linked, want)
	}
}

// cmd/sysvipc is judged by its start-up: what it must not link, not even by way of others.
func TestLeanCommand(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(listed(t, "-deps", "./cmd/sysvipc")) {
		line = strings.TrimSpace(line)
		for _, heavy := range []string{nats, "github.com/prometheus/", "gonum.org/", module + "/cluster", module + "/dashboard", "net/http"} {
			if strings.HasPrefix(line, heavy) {
				t.Errorf("cmd/sysvipc links %s", line)
			}
		}
	}
}

// The tour is the first program that a newcomer compiles.
func TestLeanTour(t *testing.T) {
	t.Parallel()
	linked := slices.Compact(slices.Sorted(slices.Values(strings.Fields(listed(t, "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./cmd/sysvipc/tour")))))
	if want := []string{module, "golang.org/x/sys"}; !slices.Equal(linked, want) {
		t.Errorf("the tour links modules %q, want %q", linked, want)
	}
}

// listed is what "go list" says of this module.
func listed(t *testing.T, args ...string) string {
	t.Helper()
	if ipctest.UnderQEMU() {
		t.Skip("needs the go command, which does not run under qemu-user")
	}
	text, err := goCommand(".", append([]string{"list"}, args...)...)
	if err != nil {
		t.Skip("needs the go command, the module's sources and the module cache:", err)
	}
	return strings.TrimSpace(text)
}

// goCommand runs the go command in dir, offline, and returns its output.
func goCommand(dir string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "GOOS=", "GOARCH=", "PWD="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out), err
}
