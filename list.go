package sysvipc

import (
	"iter"
	"syscall"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// Segments lists all segments of this process's IPC namespace, whether it may read
// them or not, also those that are removed and still attached. Objects that come or go
// meanwhile may be missing. An error ends the list.
func Segments() iter.Seq2[SegmentStat, error] {
	return listed(KindSegment, segmentFields, segmentLine, func() (int, syscall.Errno) {
		_, top, errno := sysv.ShmctlInfo()
		return top, errno
	}, func(index int) (SegmentStat, syscall.Errno) {
		ds, id, errno := sysv.ShmctlStat(index, sysv.SHM_STAT_ANY)
		return segmentStat(id, ds), errno
	})
}

// SemaphoreSets lists all semaphore sets, like [Segments].
func SemaphoreSets() iter.Seq2[SemaphoreSetStat, error] {
	return listed(KindSemaphores, setFields, setLine, func() (int, syscall.Errno) {
		_, top, errno := sysv.SemctlInfo(sysv.SEM_INFO)
		return top, errno
	}, func(index int) (SemaphoreSetStat, syscall.Errno) {
		ds, id, errno := sysv.SemctlStat(index, sysv.SEM_STAT_ANY)
		return semaphoreSetStat(id, ds), errno
	})
}

// Queues lists all queues, like [Segments].
func Queues() iter.Seq2[QueueStat, error] {
	return listed(KindQueue, queueFields, func(row []int64) QueueStat {
		st := queueLine(row)
		st.MaxBytes = maxBytes(st.ID)
		return st
	}, func() (int, syscall.Errno) {
		_, top, errno := sysv.MsgctlInfo(sysv.MSG_INFO)
		return top, errno
	}, func(index int) (QueueStat, syscall.Errno) {
		ds, id, errno := sysv.MsgctlStat(index, sysv.MSG_STAT_ANY)
		return queueStat(id, ds), errno
	})
}

// listed reads the kernel's own list, which is one file and takes no permission. Where
// /proc is not mounted, it asks for each index that may be in use.
func listed[T any](kind Kind, fields int, parse func([]int64) T, top func() (int, syscall.Errno), stat func(index int) (T, syscall.Errno)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		data, err := readTable(kind)
		if err == nil {
			for row, err := range rows(data, fields) {
				var t T
				if err == nil {
					t = parse(row)
				}
				if !yield(t, err) || err != nil {
					return
				}
			}
			return
		}
		var none T
		last, errno := top()
		if errno != 0 {
			yield(none, limitsError(kind, errno))
			return
		}
		for index := 0; index <= last; index++ {
			t, errno := stat(index)
			switch errno {
			case 0:
				if !yield(t, nil) {
					return
				}
			case syscall.EINVAL, eidrm: // no object has this index
			default:
				yield(none, object{kind: kind}.fail("list", errno, "and /proc/sysvipc is not there"))
				return
			}
		}
	}
}

// maxBytes asks for the one field that the kernel's list of queues lacks. It returns -1
// where nobody may know.
func maxBytes(id int) int {
	ds, _, errno := sysv.MsgctlStat(id, sysv.IPC_STAT)
	if errno == syscall.EACCES {
		// The low bits of an ID are the index: 15, or 24 with ipcmni_extend.
		for _, bits := range []int{15, 24} {
			var found int
			if ds, found, errno = sysv.MsgctlStat(id&(1<<bits-1), sysv.MSG_STAT_ANY); errno == 0 && found == id {
				break
			}
			errno = syscall.EACCES
		}
	}
	if errno != 0 {
		return -1
	}
	return int(ds.Qbytes)
}

// statByList finds an object that this process may not read in the list of all. One that
// is not there any more was removed meanwhile.
func statByList[T interface{ object() Object }](o object, op string, all iter.Seq2[T, error]) (T, error) {
	var none T
	for st, err := range all {
		if err != nil {
			return none, err
		}
		if st.object().ID == o.ID() {
			return st, nil
		}
	}
	return none, o.fail(op, eidrm, "")
}

func (o Object) object() Object { return o }
