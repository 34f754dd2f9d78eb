// Package inspect says what System V IPC objects this machine has, which processes use them, which threads wait for
// what, and which of them can be removed. It changes nothing, and attaches nothing.
//
// There are five nouns:
//
//   - A [Snapshot] is one look at an IPC namespace: its objects, and the processes behind them.
//     [Take] makes one, by one pass over /proc.
//   - An [Object] is a segment, a semaphore set or a queue, with its [User]s. Each statement about
//     a user comes with its evidence.
//   - A [Wait] is a thread that is blocked on a set or a queue: for which operation, since when,
//     and probably because of whom.
//   - A [Verdict] says whether an object is in use, protected, unknown, or an orphan, and why. One
//     table decides, row by row: see [Class].
//   - A [Namespace] is an IPC namespace of this machine. [WithNamespace] looks into another one.
//
// [Snapshot.Explain] says in words what is known of an object, and [Diagnose] what is wrong on the machine.
//
// A program that lists what nobody uses:
//
//	snap, err := inspect.Take(ctx, nil)
//	if err != nil {
//		return err
//	}
//	for i := range snap.Objects {
//		o := &snap.Objects[i]
//		if o.Verdict.Class == inspect.Orphan {
//			fmt.Println(o.Ref(), o.Verdict.Reasons)
//		}
//	}
//	if !snap.Complete {
//		fmt.Println(snap.Warnings)
//	}
//
// # What can be known
//
// The kernel keeps no list of the processes that may use an object. It counts the attaches of a segment (its
// mappings: one process can have several), and notes a few pids: who made a segment, who attached
// or detached last, who operated on a semaphore last, who sent and received last. The rest is what
// /proc shows of each process, to users with the rights: a snapshot that could not read all says
// so in Complete and Warnings, and an object names in Unknown what is not known of it. What is
// unknown is never taken for unused.
//
// A pid that the kernel noted may belong to another process by now. One that started more than two
// seconds after the time that the kernel noted with it is such: see [Status]. If the clock was set
// meanwhile, that is not known, and the snapshot says so.
//
// The kernel does not know the holders of a semaphore: it keeps a value and a last pid, and does not
// show its undo lists. Holders are therefore probable, and so are deadlocks.
//
// A snapshot is not one instant: processes come and go while it is taken. A program that removes
// an object on its word asks [Object.Unchanged] immediately before.
//
// Only Linux has what this package reads. Elsewhere its functions return an error that is
// [errors.ErrUnsupported].
package inspect
