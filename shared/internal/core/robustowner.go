package core

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"
)

// A robust owner is a thread that does nothing but live. The kernel keeps a robust list for
// each thread (set_robust_list(2), Documentation/locking/robust-futex-ABI.rst): when
// the thread ends, it sets FUTEX_OWNER_DIED in each lock word of the list that carries
// the thread's TID, and wakes a waiter. A goroutine has no thread of its own, so every
// lock word that this process holds carries the TID of a robust owner, and stands in its
// list: when the process ends, however it ends, so does the robust owner.
type RobustOwner struct {
	TID  uint32
	head *robustHead

	Mu   sync.Mutex  // orders changes of the list
	list []*Node     // the truth: what is held, in the reverse order of the kernel's list
	full atomic.Bool // the list is as long as the kernel follows it
}

// robustHead is struct robust_list_head of linux/futex.h. It lies in memory that the
// collector does not know, since the kernel keeps its address.
type robustHead struct {
	next    uint64 // the next field of the first node, or this one
	offset  int64  // from a node's next field to its lock word
	pending uint64 // the next field of the node whose lock is being taken or released
}

func (h *robustHead) address() uint64 { return uint64(uintptr(unsafe.Pointer(h))) }

// link is what the kernel's list says for n.
func (n *Node) link() uint64 { return uint64(uintptr(unsafe.Pointer(&n.Next))) }

// The bits of a lock word: linux/futex.h.
const (
	Waiters   = 0x80000000
	OwnerDied = 0x40000000
	TIDMask   = 0x3fffffff
)

// maxHeld is how many nodes the kernel follows at most (ROBUST_LIST_LIMIT), less one.
const maxHeld = 2047

// RobustOwners are those of this process: several, so that its goroutines do not all meet
// at one list, and so that it can hold more than maxHeld locks.
var RobustOwners struct {
	once  sync.Once
	err   error
	All   [RobustOwnerCount]*RobustOwner
	PIDNS uint64 // the PID namespace in which their TIDs are these, or 0 if it cannot be known
}

const RobustOwnerCount = 4

// StartRobustOwners makes the robust owners, once.
func StartRobustOwners() error {
	if strconv.IntSize != 64 {
		return fmt.Errorf("shared: on 32-bit ports: %w", errors.ErrUnsupported)
	}
	RobustOwners.once.Do(func() {
		registerExiting()
		RobustOwners.PIDNS = pidNamespace()
		for i := range RobustOwners.All {
			if RobustOwners.All[i], RobustOwners.err = newRobustOwner(); RobustOwners.err != nil {
				return
			}
		}
	})
	return RobustOwners.err
}

// begin tells the kernel that n is being taken or released, so that it looks at n's word
// too if the process ends before the list says so. The robust owner's lock is held.
//
// The kernel looks after the process has ended, and sees all stores; what counts is their
// order.
func (g *RobustOwner) begin(n *Node) { storeRelease(&g.head.pending, n.link()) }

func (g *RobustOwner) end() { storeRelease(&g.head.pending, 0) }

// insert puts n at the front of the kernel's list.
func (g *RobustOwner) insert(n *Node) {
	next := g.head.address()
	if len(g.list) > 0 {
		next = g.list[len(g.list)-1].link()
	}
	if g.list = append(g.list, n); len(g.list) == maxHeld {
		g.full.Store(true)
	}
	storeRelease(&n.Next, next)
	storeRelease(&g.head.next, n.link())
}

// Remove takes n out of the kernel's list. It is mostly the first, since locks nest.
func (g *RobustOwner) Remove(n *Node) {
	i := len(g.list) - 1
	for g.list[i] != n {
		i--
	}
	after := g.head.address()
	if i > 0 {
		after = g.list[i-1].link()
	}
	if i == len(g.list)-1 {
		storeRelease(&g.head.next, after)
	} else {
		storeRelease(&g.list[i+1].Next, after)
	}
	if len(g.list) == maxHeld {
		g.full.Store(false)
	}
	g.list = append(g.list[:i], g.list[i+1:]...)
}

// move has the list name a node by another address, at which the same memory is mapped too.
// The two are one for the kernel, so that they must not both be in the list.
func (g *RobustOwner) move(from, to *Node) {
	g.Mu.Lock()
	defer g.Mu.Unlock()
	g.begin(to)
	g.Remove(from)
	g.insert(to)
	g.end()
}

// Abandon leaves a lock as the kernel does when its holder's process ends.
func (g *RobustOwner) Abandon(n *Node) {
	g.Mu.Lock()
	g.begin(n)
	g.Remove(n)
	atomic.StoreUint32(&n.Word, OwnerDied)
	futexWake(&n.Word, math.MaxInt32)
	g.end()
	g.Mu.Unlock()
	Closes.Wake()
}

// Keep notes in a lock that a [Mutex] or an [RWMutex] is who holds it.
func Keep(n *Node, g *RobustOwner) {
	atomic.StoreUint32(&n.Owner, g.TID)
	Closes.Wake() // a Close need not wait for it any longer
}

// heldIn counts the locks of this process that lie in v, and those of them that a [Mutex] or
// an [RWMutex] is: these note their owner, as a pthread_mutex_t does. The others are held for
// as long as a write takes.
func heldIn(v *View) (all, kept int) {
	start := uintptr(v.At(0))
	for _, g := range RobustOwners.All {
		g.Mu.Lock()
		for _, n := range g.list {
			if at := uintptr(unsafe.Pointer(n)); at >= start && at-start < uintptr(len(v.Bytes)) {
				all++
				if atomic.LoadUint32(&n.Owner) == g.TID {
					kept++
				}
			}
		}
		g.Mu.Unlock()
	}
	return all, kept
}
