// Package trace counts and shows System V calls as the kernel makes them: who, on which object, with which result, how
// long. It sees all processes of the machine, and needs no change to them.
//
//	t, err := trace.Start(&trace.Options{PID: 4711})
//	if err != nil {
//		return err // says what is missing: a capability, the kernel's BTF, …
//	}
//	defer t.Close()
//	time.Sleep(10 * time.Second)
//	sum, err := t.Read()
//	for _, c := range sum.Calls {
//		fmt.Println(c.Ref(), c.PID, c.Op, c.Result(), c.Count, c.Latency.Quantile(0.99))
//	}
//
// There are four types. A [Trace] is what is attached to the kernel. A [Call] counts equal calls: those of one process on
// one object with one result. An [Event] is a single call, for those who ask for them with [Options.Events]. A [Holder] is
// a process that holds a semaphore.
//
// The counting is done in the kernel, by two small eBPF programs at the tracepoints sys_enter and sys_exit. They are
// written as instructions and find the kernel's fields by its BTF: no compiler, no headers, no files. A trace needs Linux
// 5.11 on amd64 or arm64, CONFIG_DEBUG_INFO_BTF, and CAP_BPF with CAP_PERFMON, as root has them. It ends with the process
// that began it, however that ends: the kernel detaches what nobody holds.
//
// What is exact: every call that begins and ends while the trace runs is counted once, with the result that the program
// sees; a call that the kernel restarts after SIGCONT is one call. A call that began before, or that seccomp refused, is
// counted when it ends, and not timed: see [Call.Untimed]. A call that waits is counted when it ends. What found no room is
// in [Summary.Lost]. Calls of 32-bit programs are counted like the others, those by ipc(2), too.
//
// What it costs: every system call of the machine goes through the two programs while a trace runs, and those that are no
// System V call leave after a few instructions. BENCHMARKS.md has the figures.
//
// Who holds a semaphore, the kernel does not know. With [Options.Holders] its programs add up what each process adds to each
// semaphore, apart for operations with SEM_UNDO, and [Trace.Holders] says who took and did not give back. SETVAL, SETALL,
// a removal and the end of a process count as the kernel has it. A holder is certain only if nothing is missing and the
// sum is the value that the semaphore has.
//
// Process IDs and thread IDs are those of the initial PID namespace; user memory is read for [Options.Events] and
// [Options.Holders] alone, and then only operations, values of SETALL, timeouts and types of messages, never what is in
// them.
package trace
