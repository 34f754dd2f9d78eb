package foreign

import (
	"fmt"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/output"
)

// The semaphores of a set of Semian, as its sysv_semaphores.h has them.
const (
	semianLock = iota
	semianTickets
	semianConfigured
	semianWorkers
	semianSemaphores
)

func semian(o *Object) (*output.SemianResource, error) {
	v := o.Values
	switch {
	case o.Kind != sysvipc.KindSemaphores:
		return nil, fmt.Errorf("it is a %s, and a resource of Semian is a semaphore set", o.Kind)
	case len(v) != semianSemaphores:
		return nil, fmt.Errorf("it has %d semaphores, and Semian's have %d", len(v), semianSemaphores)
	case v[semianLock] < 0 || v[semianLock] > 1:
		return nil, fmt.Errorf("its lock has the value %d", v[semianLock])
	case v[semianTickets] < 0 || v[semianTickets] > v[semianConfigured]:
		return nil, fmt.Errorf("%d of %d tickets are free", v[semianTickets], v[semianConfigured])
	case v[semianWorkers] < 0:
		return nil, fmt.Errorf("it has %d workers", v[semianWorkers])
	}
	return &output.SemianResource{
		Lock: v[semianLock], Tickets: v[semianTickets], Configured: v[semianConfigured],
		Taken: v[semianConfigured] - v[semianTickets], Workers: v[semianWorkers],
	}, nil
}
