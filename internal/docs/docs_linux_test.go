package docs

import (
	"bufio"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func TestMain(m *testing.M) { ipctest.Main(m) }

// root is the module's directory.
const root = "../.."

// notRun are what the blocks show and this test does not run, each with the reason: the beginning of a command, or a line
// of a Go block, which then is only compiled.
var notRun = map[string]string{
	"go test ./...":              "it is what runs this test",
	"git clone":                  "needs the network: the test has the module under the name of the clone",
	"go install ./cmd":           "the test has built the command",
	"CGO_ENABLED=0 go install":   "the test has built the command",
	"export PATH=":               "the test has the command in its own",
	"apt-get install":            "names what the page needs; without it the page is skipped",
	"sysvipcd bridge":            "needs three NATS servers; the tests of cmd/sysvipcd have them",
	"sysvipcd run --cluster":     "needs three NATS servers; the tests of cmd/sysvipcd have them",
	"sysvipcd serve":             "serves until it is stopped; the tests of cmd/sysvipcd and dashboard ask it",
	"sysvipc trace":              "needs CAP_BPF; the tests of cmd/sysvipc and trace have it",
	"SYSVIPC_KILLPOINTS=all go":  "takes two minutes",
	"SYSVIPC_PLOT=$PWD/docs/img": "measures for minutes, and writes pictures",
	"t, err := trace.Start(":     "needs CAP_BPF; the tests of trace have it",
}

// programs are the user's own in the commands, for which the test has some that do nothing.
var programs = []string{"backup.sh"}

// prelude are the user's own types and variables in the Go blocks.
const prelude = `
import (
	"context"
	"fmt"
	"os"

	"github.com/sysvipc/sysvipc"
)

type (
	Quote    struct{ Bid, Ask float64 }
	Job      struct{ N int64 }
	ID       uint64
	Position struct{ X, Y float64 }
	Tick     struct{ N int64 }
	Config   struct{ Path []string }
)

var (
	ctx = context.Background()
	key = sysvipc.KeyOf("the pages")
)

func main() { example() }

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
`

// imported are the packages that a Go block may use.
var imported = []string{"", "shared", "cluster", "trace"}

// block is a fenced block of a page.
type block struct {
	page     string
	line     int // of its first line of text
	language string
	named    string // the file that it is, in the line of its fence, or ""
	text     string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

// pages returns the pages with their blocks, in order.
func pages(t *testing.T) map[string][]block {
	t.Helper()
	all := map[string][]block{}
	add := func(page string) {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		all[page] = blocks(page, string(text))
	}
	add("README.md")
	for _, dir := range []string{"docs", "examples"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".md" {
				page, _ := filepath.Rel(root, path)
				add(page)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func blocks(page, text string) (all []block) {
	var b *block
	for i, line := range strings.Split(text, "\n") {
		fence, ok := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case !ok && b != nil:
			b.text += line + "\n"
		case ok && b == nil:
			language, named, _ := strings.Cut(fence, " ")
			b = &block{page: page, line: i + 2, language: language, named: named}
		case ok:
			all = append(all, *b)
			b = nil
		}
	}
	return all
}

// command is a line of a console block, with what it shall print.
type command struct {
	line  string
	shown string
}

func commands(b block) (all []command, err error) {
	for line := range strings.Lines(b.text) {
		if text, ok := strings.CutPrefix(line, "$ "); ok {
			all = append(all, command{line: strings.TrimSpace(text)})
		} else if n := len(all); n > 0 {
			all[n-1].shown += line
		} else {
			return nil, fmt.Errorf("%v: begins with no command", b)
		}
	}
	return all, nil
}

// leftOut is the entry of notRun for a text of a block, or "" if it is run.
func leftOut(text string) string {
	for begin := range notRun {
		if strings.HasPrefix(text, begin) {
			return begin
		}
	}
	return ""
}

// recipeLines is how long the blocks of a recipe are together, at most.
const recipeLines = 40

// TestRecipes: a recipe is short.
func TestRecipes(t *testing.T) {
	t.Parallel()
	n := 0
	for page, all := range pages(t) {
		if path.Dir(page) != "docs/cookbook" {
			continue
		}
		n++
		lines := 0
		for _, b := range all {
			lines += strings.Count(b.text, "\n")
		}
		if lines > recipeLines {
			t.Errorf("%s: its blocks have %d lines, and a recipe at most %d", page, lines, recipeLines)
		}
	}
	if n == 0 {
		t.Error("no recipe is found")
	}
}

// TestBlocks: the blocks are of a kind that this test knows, and what it leaves out is there.
func TestBlocks(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, all := range pages(t) {
		for _, b := range all {
			switch {
			case b.language == "console":
				cmds, err := commands(b)
				if err != nil {
					t.Error(err)
				}
				for _, c := range cmds {
					used[leftOut(c.line)] = true
				}
			case b.language == "go":
				used[leftOut(b.text)] = true
			case b.named != "", b.language == "text", b.language == "yaml": // is read, not run
			default:
				t.Errorf("%v: is in %q: console, go, text or yaml, or a file with a name", b, b.language)
			}
		}
	}
	for begin := range notRun {
		if !used[begin] {
			t.Errorf("no page has %q any more", begin)
		}
	}
}

// TestPages runs the blocks.
func TestPages(t *testing.T) {
	t.Parallel()
	if os.Getenv(commandDir) == "" { // once, for the processes that run a page each
		dir := t.TempDir()
		build(t, dir+"/", "main", nil, "./cmd/sysvipc")
		if err := os.Setenv(commandDir, dir); err != nil {
			t.Fatal(err)
		}
	}
	for page, all := range pages(t) {
		if !slices.ContainsFunc(all, runs) {
			continue
		}
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			if !ipctest.HasUser(ipctest.Nobody) {
				ipctest.NoHalts(t)
			}
			if pid := ipctest.HaltedByOthers(); pid != 0 {
				t.Skipf("process %d of another user stands still, and hides what it waits for: let it go on, or end it", pid)
			}
			if !ipctest.Alone(t) {
				return
			}
			need(t, all)
			r := prepare(t, all)
			t.Cleanup(r.removeObjects)
			for _, b := range all {
				switch {
				case b.named != "":
					r.write(b.named, b.text)
				case b.language == "console":
					r.console(b)
				case b.language == "go":
					r.program(b)
				}
			}
			if !t.Failed() {
				_, _, _ = r.run("what runs in the background when the page ends", "wait")
			}
		})
	}
}

// TestGoBlocks: the Go blocks compile, also where there can be no namespace to run them in, and those that are not run.
func TestGoBlocks(t *testing.T) {
	t.Parallel()
	var code []block
	for _, all := range pages(t) {
		code = append(code, slices.DeleteFunc(all, func(b block) bool { return b.language != "go" })...)
	}
	build(t, os.DevNull, "example", code)
}

// runs reports whether something of a block is run.
func runs(b block) bool {
	switch b.language {
	case "go":
		return leftOut(b.text) == ""
	case "console":
		cmds, _ := commands(b)
		return slices.ContainsFunc(cmds, func(c command) bool { return leftOut(c.line) == "" })
	}
	return false
}

// need skips a page whose programs are not here, or fails it where the project's own check has installed them.
func need(t *testing.T, all []block) {
	t.Helper()
	for _, b := range all {
		if b.language != "console" && b.named == "" {
			continue
		}
		if (strings.Contains(b.text, "nobody") || strings.Contains(b.text, "-u root")) && !ipctest.HasUser(ipctest.Nobody) {
			t.Skip("needs root, and a second user: here is one alone")
		}
		for line := range strings.Lines(b.text) {
			list, ok := strings.CutPrefix(line, "$ apt-get install ")
			if !ok || exec.Command("dpkg", append([]string{"-s"}, strings.Fields(list)...)...).Run() == nil {
				continue
			}
			if os.Getenv("CI") == "true" {
				t.Fatal("needs: ", line)
			}
			t.Skip("needs: ", line)
		}
	}
}

// commandDir is the environment variable that says where the built command is.
const commandDir = "SYSVIPC_DOCS_COMMAND"

// runner runs the blocks of one page.
type runner struct {
	t     *testing.T
	bin   string // with a program for each Go block
	start string // where the first command runs
	begun bool   // whether a command was begun in the background

	shell *exec.Cmd // that runs the commands of the page
	lines io.Writer // what it reads: a line for each command
	codes *bufio.Reader
	from  [2]int // where the output of the next command begins in the files of stdout and stderr
}

// prepare builds all that the blocks of a page need.
func prepare(t *testing.T, all []block) *runner {
	t.Helper()
	r := &runner{t: t, bin: t.TempDir(), start: t.TempDir()}
	if err := os.Symlink(top(t), filepath.Join(r.start, "sysvipc")); err != nil {
		t.Fatal(err)
	}
	for _, name := range programs {
		if err := os.WriteFile(filepath.Join(r.bin, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var code []block
	for _, b := range all {
		if b.language == "go" && runs(b) && b.file() == "" {
			code = append(code, b)
		}
	}
	if len(code) > 0 {
		build(t, r.bin+"/", "main", code)
	}
	r.startShell()
	return r
}

// shellGo is go for the shell: in the first directory it works in the module's, and in others in a module of the page's own;
// with -trimpath what is compiled there is of use in the next run's directory.
const shellGo = `go() {
	if [ "$PWD" != %[1]s ]; then
		GOPROXY=off GOSUMDB=off GOFLAGS='-mod=mod -trimpath' GOWORK=off command go "$@"
	elif [ "$1" = mod ]; then
		echo "would change this module: cd first" >&2
		return 1
	else
		(cd %[2]s && command go "$@")
	fi
}
`

// startShell starts the shell, which ends with the test, with all that it has begun.
func (r *runner) startShell() {
	r.shell = exec.Command("sh")
	r.shell.Dir = r.start
	r.shell.Env = append(os.Environ(), "PATH="+r.bin+":"+os.Getenv(commandDir)+":"+os.Getenv("PATH")+":/usr/sbin", "SYSVIPC_STATE="+filepath.Join(r.bin, "state"), "PWD="+r.start)
	r.shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	lines, err := r.shell.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	codes, err := r.shell.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	r.lines, r.codes = lines, bufio.NewReader(codes)
	if err := r.shell.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		r.killShell()
		_ = r.shell.Wait()
	})
	fmt.Fprintf(r.lines, shellGo, quoted(r.start), quoted(top(r.t)))
}

func quoted(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }

func (r *runner) killShell() { _ = syscall.Kill(-r.shell.Process.Pid, syscall.SIGKILL) }

// top is the module's directory.
func top(t *testing.T) string {
	t.Helper()
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	return top
}

// build compiles Go blocks, and packages of the module. Executables come into bin.
func build(t *testing.T, bin, name string, code []block, packages ...string) {
	t.Helper()
	top := top(t)
	// The blocks are seen by the go command as packages of this module, which they are in no folder of it.
	dir, overlay := t.TempDir(), map[string]string{}
	add := func(b block, file, text string) {
		real := filepath.Join(dir, b.program()+file)
		if err := os.WriteFile(real, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay[filepath.Join(top, "internal", "docs", b.program(), file)] = real
	}
	for _, b := range code {
		packages = append(packages, "./internal/docs/"+b.program())
		if b.whole() {
			if text, err := format.Source([]byte(b.text)); err != nil || string(text) != b.text {
				t.Errorf("%v is not formatted by gofmt: %v", b, err)
			}
			add(b, "main.go", b.text)
			continue
		}
		text, err := fragment(b)
		if err != nil {
			t.Errorf("%v: %v", b, err)
			return
		}
		add(b, "block.go", "package "+name+"\n"+text)
		add(b, "prelude.go", "package "+name+"\n"+prelude)
	}
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, list, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"build", "-buildvcs=false", "-overlay", file, "-o", bin}
	cmd := exec.Command("go", append(args, packages...)...)
	cmd.Dir = top
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
}

// whole reports whether a Go block is a program of its own.
func (b block) whole() bool {
	return strings.HasPrefix(b.text, "package ") || strings.Contains(b.text, "\npackage ")
}

// file is the name of the file that a Go block is to be saved as, or "" if it only runs.
func (b block) file() string {
	first, _, _ := strings.Cut(b.text, "\n")
	name, ok := strings.CutPrefix(first, "// ")
	if !ok || !b.whole() || strings.Contains(name, " ") {
		return ""
	}
	return name
}

// program is the name of a Go block's executable.
func (b block) program() string {
	return fmt.Sprintf("%s%d", strings.NewReplacer("/", "_", ".", "_").Replace(b.page), b.line)
}

// fragment makes a function of statements: errors are looked at, and what is declared is used.
func fragment(b block) (string, error) {
	const head = "package p; func example() {\n"
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, b.page, head+b.text+"}", parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	var text, names strings.Builder
	rest := b.text
	at := len(head)
	for _, s := range file.Decls[0].(*ast.FuncDecl).Body.List {
		assign, ok := s.(*ast.AssignStmt)
		if !ok {
			continue
		}
		end := set.Position(s.End()).Offset
		text.WriteString(rest[:end-at])
		rest, at = rest[end-at:], end
		for _, l := range assign.Lhs {
			switch id, ok := l.(*ast.Ident); {
			case ok && id.Name == "err":
				text.WriteString("; must(err)")
			case ok && assign.Tok == token.DEFINE && id.Name != "_":
				fmt.Fprintf(&names, "_ = %s\n", id.Name)
			}
		}
	}
	var imports strings.Builder
	for _, p := range imported {
		if regexp.MustCompile(`\b` + path.Base("sysvipc/"+p) + `\.`).MatchString(b.text) {
			fmt.Fprintf(&imports, "import %q\n", path.Join("github.com/sysvipc/sysvipc", p))
		}
	}
	return fmt.Sprintf("%sfunc example() {\n//line %s:%d\n%s%s\n%s}\n", imports.String(), b.page, b.line, text.String(), rest, names.String()), nil
}

// write makes a file that a block is the text of.
func (r *runner) write(name, text string) {
	r.t.Helper()
	command := fmt.Sprintf("cat >%s <<'END OF THE FILE'\n%sEND OF THE FILE", quoted(name), text)
	if _, talk, code := r.run(name, command); code != 0 {
		r.t.Errorf("%s cannot be written: %s", name, talk)
	}
}

// program runs a Go block, or saves it.
func (r *runner) program(b block) {
	if !runs(b) {
		return
	}
	if name := b.file(); name != "" {
		r.write(name, b.text)
		return
	}
	got, talk, code := r.run(fmt.Sprint(b), b.program())
	if code != 0 {
		r.t.Errorf("%v: exit code %d\n%s%s", b, code, got, talk)
	} else if m := regexp.MustCompile(`(?m)^\t// Output:\n((?:\t// .*\n)+)`).FindStringSubmatch(b.text); m != nil {
		if shown := strings.ReplaceAll(m[1], "\t// ", ""); !shows(shown, got) {
			r.t.Errorf("%v prints:\n%sthe page has:\n%s", b, got, shown)
		}
	}
}

// looks are the commands that change nothing, and so can be run again.
var looks = regexp.MustCompile(`^(sysvipc (?:explain|waits|who|show|ls|ns|gc|sem get|region get|region ls|doctor|limits)|chronyc)\b`)

// background is a command that goes on beside the next one.
var background = regexp.MustCompile(`[^&]&(?:$|[^&>0-9])`)

// console runs the commands of a block, and compares what they print.
func (r *runner) console(b block) {
	cmds, _ := commands(b)
	for _, c := range cmds {
		if leftOut(c.line) != "" {
			continue
		}
		r.begun = r.begun || background.MatchString(c.line)
		right := func(got string) bool {
			return c.shown == "" || shows(c.shown, got) || strings.HasPrefix(c.line, "sysvipc explain") && showsText(c.shown, got)
		}
		what := fmt.Sprintf("%v: $ %s", b, c.line)
		again := r.begun && looks.MatchString(c.line) && !strings.Contains(c.line, "--yes") // others may still be on their way
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			got, talk, code := r.run(what, c.line)
			switch ok := right(got) || right(got+talk); {
			case code == 0 && ok:
				r.t.Logf("%s\n%s%s", what, got, talk)
			case again && time.Now().Before(deadline):
				continue
			case code != 0:
				r.t.Errorf("%s: exit code %d\n%s%s", what, code, got, talk)
			default:
				r.t.Errorf("%s\nprints:\n%s%sthe page has:\n%s", what, got, talk, c.shown)
			}
			break
		}
	}
}

// run has the shell run a command, and returns what was printed meanwhile, also by what runs in the background.
func (r *runner) run(what, line string) (out, talk string, code int) {
	r.t.Helper()
	file := func(name string) string { return filepath.Join(r.bin, "the "+name) }
	if err := os.WriteFile(file("command"), []byte(line+"\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	late := time.AfterFunc(5*time.Minute, r.killShell) // go run compiles the library where nothing is yet
	defer late.Stop()
	fmt.Fprintf(r.lines, ". '%s' </dev/null >>'%s' 2>>'%s'; echo $?\n", file("command"), file("stdout"), file("stderr"))
	answer, err := r.codes.ReadString('\n')
	var printed [2]string
	for i, name := range []string{"stdout", "stderr"} {
		all, _ := os.ReadFile(file(name))
		printed[i] = string(all[r.from[i]:])
		r.from[i] = len(all)
	}
	if err != nil {
		r.t.Fatalf("%s: the shell has ended, or was killed after five minutes\n%s%s", what, printed[0], printed[1])
	}
	code, err = strconv.Atoi(strings.TrimSpace(answer))
	if err != nil {
		r.t.Fatal(err)
	}
	return printed[0], printed[1], code
}

// shows reports whether a page shows an output. A page cannot show whether the last line has an end.
func shows(shown, got string) bool {
	got = strings.TrimSuffix(got, "\n") + "\n"
	var pattern strings.Builder
	for line := range strings.Lines(shown) {
		if line = strings.TrimRight(line, " \n"); line == "..." {
			pattern.WriteString("(?:.*\n)*")
			continue
		}
		line = regexp.MustCompile(`^ +| {2,}`).ReplaceAllString(regexp.QuoteMeta(line), " *")
		pattern.WriteString(strings.ReplaceAll(line, `\.\.\.`, ".*") + " *\n")
	}
	return regexp.MustCompile("^" + pattern.String() + "$").MatchString(got)
}

// showsText is shows for a text that is wrapped: where a line ends depends on the names and numbers in it.
func showsText(shown, got string) bool {
	unwrap := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	return shows(unwrap(shown), unwrap(got))
}

func TestShows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shown, got string
		ok         bool
	}{
		{"a\n", "a\n", true},
		{"a\n", "a\nb\n", false},
		{"a\n", "b\n", false},
		{"a.c\n", "abc\n", false},
		{"a\n", "a", true},
		{"pid ... ended\n", "pid 12 ended  \n", true},
		{"pid ... ended\n", "pid 12\nended\n", false},
		{"a\n...\nz\n", "a\nb\nc\nz\n", true},
		{"a\n...\nz\n", "a\nz\n", true},
		{"a\n...\n", "b\n", false},
		{"  PID   SIZE\n", "    PID  SIZE\n", true},
		{"a b\n", "ab\n", false},
	} {
		if got := shows(c.shown, c.got); got != c.ok {
			t.Errorf("%q shows %q: %v", c.shown, c.got, got)
		}
	}
}

// removeObjects removes what the page has made.
func (r *runner) removeObjects() {
	objects, err := ipctest.Objects()
	if err != nil {
		r.t.Error(err)
	}
	for _, o := range objects {
		ipctest.RemoveLater(r.t, o.Kind, o.ID)
	}
}
