// Package ipctest is for tests only: it gives them an IPC namespace of their own, second processes, and a check that no
// kernel object is left behind.
//
// A package that makes kernel objects in its tests begins with
//
//	func TestMain(m *testing.M) { ipctest.Main(m) }
//
// and all its tests run in a fresh IPC namespace; what they leave there is printed and fails the run. [Alone] gives one
// test a namespace of its own, where it may lower limits with [SetLimit]. [Start] runs the test binary again as another
// process, which executes a function named by [Register] and talks with the test line by line:
//
//	var holder = ipctest.Register("holder", func(c *ipctest.ChildEnv) {
//		// ... take the semaphore ...
//		c.Say("holding")
//		c.Listen()
//	})
//
//	p := ipctest.Start(t, holder, nil)
//	p.Expect("holding")
//	p.Kill()
//
// Nothing here sleeps to synchronise: processes shake hands over pipes, and [WaitBlocked] looks at the kernel's own record
// of what a thread waits for.
//
// The namespace needs root, or a kernel that lets anyone make a user namespace. Without either the tests run in the
// machine's namespace, those that cannot are skipped, and the leak check looks at new objects of this user only. Other
// systems than Linux only run the tests.
package ipctest

import (
	"fmt"
	"os"
	"strings"
)

// roleVar tells a copy of the test binary what it is for. It is removed from the environment at the start of that copy, so
// that programs which the tests run are not affected.
const roleVar = "SYSVIPC_IPCTEST"

// The roles, each the first word of roleVar's value.
const (
	roleOuter  = ""       // the process that go test started
	roleInside = "inside" // runs the tests, in the namespace made for them
	roleAlone  = "alone"  // runs the one test named by the second word
	roleChild  = "child"  // runs the registered function named by the second word
)

// role and roleArg are what this process is for. They are read in Run, before any test.
var role, roleArg string

// Runner is what [Main] runs: a *testing.M.
type Runner interface{ Run() int }

// Main runs the tests of m in an IPC namespace of its own, and exits. The exit code is 1 if a test left a segment, a
// semaphore set or a queue, else that of m.
//
// The tests run in a copy of this process with the same arguments, so profiles, coverage, timeouts, fuzzing and -json work
// as always.
func Main(m Runner) { os.Exit(Wrap(m).Run()) }

// Wrap is [Main] for a package whose TestMain must hand a Runner to someone else:
//
//	testscript.Main(ipctest.Wrap(m), commands)
func Wrap(m Runner) Runner { return runner{m} }

type runner struct{ m Runner }

// Run does what [Main] says, but leaves the exit to the caller.
func (r runner) Run() int {
	role, roleArg, _ = strings.Cut(os.Getenv(roleVar), " ")
	os.Unsetenv(roleVar)
	switch role {
	case roleChild:
		return runChild(roleArg)
	case roleInside, roleAlone:
		catchIgnored()
		return checked(r.m, nil)
	}
	if isFuzzWorker() {
		// It runs in the namespace of its coordinator, which checks for both.
		return r.m.Run()
	}
	return runOuter(r.m)
}

// isFuzzWorker reports whether go's fuzzing started this process, with pipes that a copy would not have.
func isFuzzWorker() bool {
	for _, a := range os.Args[1:] {
		if strings.TrimLeft(a, "-") == "test.fuzzworker" {
			return true
		}
	}
	return false
}

// checked runs m and then fails if the namespace holds objects that before, a list from an earlier time, does not.
func checked(m Runner, before []Object) int {
	code := m.Run()
	left, err := leaked(before)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ipctest: cannot look for leaks:", err)
		return max(code, 1)
	}
	if len(left) == 0 {
		return code
	}
	fmt.Fprintf(os.Stderr, "ipctest: the tests left %d kernel objects:\n", len(left))
	for _, o := range left {
		fmt.Fprintln(os.Stderr, "\t"+o.String())
	}
	return max(code, 1)
}
