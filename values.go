package sysvipc

import (
	"sync"
	"syscall"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// maxValue is SEMVMX, which no kernel lets anybody change.
const maxValue = 32767

// valuesRoom is for the values of any set that is not extraordinary: a semop(2) reaches no
// more than that.
const valuesRoom = 1 << 16

// allValues are buffers for GETALL and SETALL. They take an address and no length: the
// kernel goes by the set that has the ID at that moment, which need not be the one that
// was asked for its length before. So a buffer never is as short as the set.
var allValues = sync.Pool{New: func() any {
	all := make([]uint16, valuesRoom)
	return &all
}}

func getValues(n int) *[]uint16 {
	if n <= valuesRoom {
		return allValues.Get().(*[]uint16)
	}
	all := make([]uint16, n+valuesRoom) // kernel.sem lets root make such sets
	return &all
}

func putValues(all *[]uint16) {
	if len(*all) == valuesRoom {
		allValues.Put(all)
	}
}

// Values returns all values at one instant (GETALL).
func (s *SemaphoreSet) Values() ([]int, error) { return s.values("read the values of") }

func (s *SemaphoreSet) values(op string) ([]int, error) {
	st, err := s.stat(op)
	if err != nil {
		return nil, err
	}
	buf := getValues(st.Len)
	defer putValues(buf)
	all := *buf
	if errno := sysv.SemctlGetall(s.ID(), all); errno != 0 {
		return nil, s.fail(op, errno, "")
	}
	values := make([]int, st.Len)
	for i := range values {
		values[i] = int(all[i])
	}
	return values, nil
}

// SetValues sets all values at one instant (SETALL), and forgets all that was to be
// undone in every process. It wakes the waiters that can go on. There must be as many values
// as the set has semaphores.
func (s *SemaphoreSet) SetValues(values ...int) error {
	const op = "set the values of"
	if _, err := s.statFor(op, values); err != nil {
		return err
	}
	return s.setAll(op, values)
}

// statFor asks for the set, and refuses values that it cannot have.
func (s *SemaphoreSet) statFor(op string, values []int) (SemaphoreSetStat, error) {
	st, err := s.stat(op)
	switch {
	case err != nil:
		return st, err
	case len(values) != st.Len:
		return st, s.refuse(op, syscall.EINVAL, "a value for each of its %d semaphores is needed, not %d", st.Len, len(values))
	}
	return st, s.checkValues(op, values)
}

// setAll is SETALL for values that were checked.
func (s *SemaphoreSet) setAll(op string, values []int) error {
	buf := getValues(len(values))
	defer putValues(buf)
	all := *buf
	clear(all[len(values):])
	for i, v := range values {
		all[i] = uint16(v)
	}
	if errno := sysv.SemctlSetall(s.ID(), all); errno != 0 {
		return s.fail(op, errno, "")
	}
	return nil
}

// checkValues refuses values that a semaphore cannot have.
func (o object) checkValues(op string, values []int) error {
	for i, v := range values {
		if v < 0 || v > maxValue {
			return o.refuse(op, outside(v, 0, syscall.ERANGE), "value %d for semaphore %d: a value has from 0 to %d", v, i, maxValue)
		}
	}
	return nil
}
