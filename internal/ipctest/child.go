package ipctest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
)

// children are the functions that a copy of the test binary can run.
var children = map[string]func(*ChildEnv){}

// Register names f for [Start] and returns the name. Call it while the package initialises, so that the copy of the test
// binary knows f too:
//
//	var taker = ipctest.Register("taker", func(c *ipctest.ChildEnv) { … })
func Register(name string, f func(c *ChildEnv)) string {
	if _, ok := children[name]; ok {
		panic("ipctest: two children named " + name)
	}
	children[name] = f
	return name
}

// ChildEnv is what a child function has: its arguments, and the line to the test that started it. It is safe for concurrent
// use.
type ChildEnv struct {
	Args []string

	in   *bufio.Reader
	inMu sync.Mutex

	out   io.Writer
	outMu sync.Mutex
}

// runChild runs the registered function in this process and returns the exit code.
func runChild(name string) int {
	f, ok := children[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "ipctest: no child named %q is registered in %s\n", name, os.Args[0])
		return 2
	}
	f(&ChildEnv{Args: os.Args[1:], in: bufio.NewReader(os.Stdin), out: os.Stdout})
	return 0
}

// Say sends one line to the test, where [Process.Expect] or [Process.Line] reads it.
func (c *ChildEnv) Say(format string, args ...any) {
	line := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", `\n`)
	c.outMu.Lock()
	defer c.outMu.Unlock()
	if _, err := io.WriteString(c.out, line+"\n"); err != nil {
		c.Fatal("say:", err)
	}
}

// Start runs another registered function in a process of its own, in the namespace of this one, and kills it when this
// one ends. What it says goes to the test as if this one had said it; it cannot listen.
func (c *ChildEnv) Start(name string, args ...string) *exec.Cmd {
	stdin, err := os.Open(os.DevNull)
	c.Check(err)
	defer stdin.Close()
	cmd, err := spawn(spawnOptions{role: roleChild + " " + name, args: args, stdin: stdin, stdout: os.Stdout, stderr: os.Stderr})
	if err != nil {
		c.Fatalf("start %s: %v", name, err)
	}
	return cmd
}

// Listen returns the next line that the test sent with [Process.Tell]. When there will be none, because of
// [Process.Finish] or because the test is gone, the process exits with code 0.
func (c *ChildEnv) Listen() string {
	c.inMu.Lock()
	defer c.inMu.Unlock()
	line, err := c.in.ReadString('\n')
	if errors.Is(err, io.EOF) {
		os.Exit(0)
	}
	if err != nil {
		c.Fatal("listen:", err)
	}
	return strings.TrimSuffix(line, "\n")
}

// Check ends the process as Fatal does if err is not nil.
func (c *ChildEnv) Check(err error) {
	if err != nil {
		c.fatal(err.Error())
	}
}

// Fatal writes the arguments to the standard error, where the test finds them, and exits with code 1.
func (c *ChildEnv) Fatal(args ...any) { c.fatal(strings.TrimSuffix(fmt.Sprintln(args...), "\n")) }

// Fatalf is Fatal with a format.
func (c *ChildEnv) Fatalf(format string, args ...any) { c.fatal(fmt.Sprintf(format, args...)) }

func (c *ChildEnv) fatal(text string) {
	if _, file, line, ok := runtime.Caller(2); ok {
		text = fmt.Sprintf("%s:%d: %s", file[strings.LastIndexByte(file, '/')+1:], line, text)
	}
	fmt.Fprintln(os.Stderr, text)
	os.Exit(1)
}
