// Package sysvipc gives Go programs the three objects of System V IPC that the Linux
// kernel keeps: shared memory segments, semaphore sets and message queues. Programs in
// C, Perl, Python, PHP and Fortran use the same objects; that is what they are for.
//
// There are three types. A [Segment] is memory that processes share, and [Memory] is
// a segment attached to this process. A [SemaphoreSet] is a set of counters that
// change together, all or none, and a [Semaphore] is one of them. A [Queue] carries
// whole messages, each with a type that receivers can choose by. A [Key] is the name
// on which programs agree; an ID is the kernel's handle.
//
// Each type comes by three functions: Create makes an object and fails if it exists,
// Open finds one and fails if it does not, Ensure does whichever is needed, however many
// processes race.
//
//	q, err := sysvipc.EnsureQueue(sysvipc.KeyOf("orders"), 0o600)
//	if err != nil {
//		return err
//	}
//	if err := q.Send(ctx, 7, []byte("hello")); err != nil {
//		return err
//	}
//	m, err := q.Receive(ctx, sysvipc.OfType(7))
//
// Every call that can wait takes a context, returns when it is done, leaves the object
// as it was in that case, and never shows EINTR.
//
// # Caveats
//
//   - Objects outlive processes. Nobody removes them but Remove, sysvipc rm, ipcrm(1) or
//     the end of the IPC namespace. systemd removes those of a user who has logged out
//     (RemoveIPC in logind.conf), though not those of system users.
//   - A process that is killed with a semaphore taken keeps it taken for ever, unless
//     take and give carry Undo. Undo belongs to the process, not to the goroutine.
//   - Names are first come, first served, for strangers too. Ensure refuses an object that
//     lets in others than the mode that was asked for ([ErrUnsafe]); Open takes any.
//   - Memory is not ordered by itself: guard it with a semaphore. A copy out of it may be
//     torn, and bytes that another process wrote are to be checked.
//   - IDs are valid in one IPC namespace, so in one container. 0 is a valid ID.
//   - Blocked calls are interrupted by SIGURG, as in the Go runtime itself. A program
//     that ignores it with signal.Ignore(syscall.SIGURG) cannot cancel waits.
//   - Goroutines that wait for the same operation queue inside the process, and only
//     the first few wait in the kernel. A process that waits for very many different
//     operations at once (more than 8 of one object, or 128 in all) tries the others, again
//     and again while that helps, and else at a tenth of one processor at most.
//   - On other systems than Linux the package compiles, and every call answers
//     [errors.ErrUnsupported].
package sysvipc
