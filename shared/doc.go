// Package shared keeps typed variables, locks, channels and maps in a segment that several
// processes have attached. A kill -9 of any of them, at any instant, leaves the others
// with whole values and with locks that can be taken.
//
// There is one place and what lies in it. A [Region] is a segment with a directory of
// named structures; each process that has it open is a participant. A [Mutex] or [RWMutex] is a
// lock, a [Var] a variable of any type without pointers, a [Counter] an integer, a [Chan] a
// queue of messages each of which one receiver gets, a [Topic] one of which all get each,
// [Records] a queue of bytes, a [Map] a table, a [Doc] a value of any Go type. A value is
// made by the process that declares it first, and found by its name by all others.
//
//	r, err := shared.Ensure(ctx, "orders", nil)
//	if err != nil {
//		return err
//	}
//	defer r.Close()
//	best, err := shared.VarOf[Quote](r, "best")
//	if err != nil {
//		return err
//	}
//	err = best.Update(ctx, func(q *Quote) { q.Bid++ })
//
// # What to know
//
//   - It needs Linux on a 64-bit port, and robust futexes (set_robust_list(2)), which a
//     sandbox may forbid. Elsewhere programs compile, and opening a region fails with
//     [errors.ErrUnsupported].
//   - All processes that have a region open at a time must be in one PID namespace, since the
//     kernel's locks carry thread IDs; those of another one are refused. The containers of a
//     pod share one with shareProcessNamespace: true.
//   - A region outlives its processes. Remove it with [Region.Remove], or the command. One in
//     a file, from [EnsureFile], outlives a reboot too.
//   - Types must have the same shape in all programs, and fields of one name the same place;
//     the names of types do not matter.
package shared
