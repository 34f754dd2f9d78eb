package dashboard

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
)

// What single objects have. The key tells an object from a later one with the same name, and is there
// for joins; an ID alone is given again.
var (
	objectSize      = gauge("object_size_bytes", "Bytes of a segment.", "ref", "key", "owner")
	objectResident  = gauge("object_resident_bytes", "Bytes of a segment that are in memory.", "ref", "key", "owner")
	objectAttaches  = gauge("object_attaches", "Attaches of a segment.", "ref", "key", "owner")
	objectMessages  = gauge("object_messages", "Messages on a queue.", "ref", "key", "owner")
	objectBytes     = gauge("object_message_bytes", "Bytes of the messages on a queue.", "ref", "key", "owner")
	objectCapacity  = gauge("object_capacity_bytes", "How many bytes a queue holds.", "ref", "key", "owner")
	objectLen       = gauge("object_semaphores", "Semaphores of a set.", "ref", "key", "owner")
	objectWaiters   = gauge("object_waiting_threads", "Threads that are seen to wait on a set or a queue.", "ref", "key", "owner")
	objectsSelected = gauge("objects_selected", "Objects that --object selects.")
	objectsLeftOut  = gauge("objects_left_out", "Selected objects that have no series of their own, since --max-objects have.")
)

func (s sender) objects(look *Look, selected func(*inspect.Object) bool, most int) {
	if most == 0 {
		most = DefaultMaxObjects
	}
	n := 0
	for i := range look.Objects {
		o := &look.Objects[i]
		if !selected(o) {
			continue
		}
		if n++; n > most {
			continue
		}
		labels := []string{o.Ref(), o.Key.String(), cmp.Or(userNames.of(strconv.Itoa(o.UID)), strconv.Itoa(o.UID))}
		switch {
		case o.Segment != nil:
			s.send(objectSize, float64(o.Segment.Size), labels...)
			s.send(objectAttaches, float64(o.Segment.Attaches), labels...)
			if o.Segment.Resident >= 0 {
				s.send(objectResident, float64(o.Segment.Resident), labels...)
			}
		case o.Queue != nil:
			s.send(objectMessages, float64(o.Queue.Messages), labels...)
			s.send(objectBytes, float64(o.Queue.Bytes), labels...)
			if o.Queue.MaxBytes >= 0 {
				s.send(objectCapacity, float64(o.Queue.MaxBytes), labels...)
			}
			s.send(objectWaiters, float64(o.Waiters), labels...)
		case o.Set != nil:
			s.send(objectLen, float64(o.Set.Len), labels...)
			s.send(objectWaiters, float64(o.Waiters), labels...)
		}
	}
	s.send(objectsSelected, float64(n))
	s.send(objectsLeftOut, float64(max(0, n-most)))
}

// namespaceLabels name an IPC namespace: its inode, the container of its first process, if any, and what people call it by.
var namespaceLabels = []string{"namespace", "container", "names"}

// namesInLabel is how many names a namespace has at most: many containers can share one.
const namesInLabel = 3

// labelsOf returns the values of namespaceLabels. The names are those of containers and pods, and the systemd unit.
func labelsOf(ns *inspect.Namespace) []string {
	var names []string
	for _, name := range ns.Names {
		if name == ns.Container {
			continue
		}
		if len(names) == namesInLabel {
			names = append(names, "…")
			break
		}
		names = append(names, name)
	}
	labels := []string{strconv.FormatUint(ns.Inode, 10), ns.Container, strings.Join(names, ", ")}
	for i := range labels {
		labels[i] = strings.ToValidUTF8(labels[i], "\ufffd")
	}
	return labels
}

var (
	namespaceObjects   = gauge("namespace_objects", "Objects of an IPC namespace, which need CAP_SYS_ADMIN to be counted.", append(namespaceLabels, "type")...)
	namespaceProcesses = gauge("namespace_processes", "Processes of an IPC namespace; 0 if a mount or an open file keeps it.", namespaceLabels...)
	namespacesSeen     = gauge("namespaces", "IPC namespaces of this machine that can be seen.")
	namespacesLeftOut  = gauge("namespaces_left_out", "IPC namespaces without series of their own: those beyond the first 100, and those that could not be entered.")
	namespacesComplete = gauge("namespaces_complete", "Whether no process hid its namespace: 1 or 0.")
)

func (s sender) namespaces(ctx context.Context) {
	began := time.Now()
	list, err := inspect.Namespaces(ctx, nil)
	s.collector("namespaces", err == nil, time.Since(began))
	if err != nil {
		return
	}
	left := 0
	for i := range list.All {
		ns := &list.All[i]
		lim, err := limitsOf(ns)
		if i >= MaxNamespaces || err != nil {
			left++
			continue
		}
		labels := labelsOf(ns)
		for k, n := range [kinds]int{lim.Segments.InUse, lim.Semaphores.InUse, lim.Queues.InUse} {
			s.send(namespaceObjects, float64(n), append(labels, kindWords[k])...)
		}
		s.send(namespaceProcesses, float64(ns.Processes), labels...)
	}
	s.send(namespacesSeen, float64(len(list.All)))
	s.send(namespacesLeftOut, float64(left))
	s.send(namespacesComplete, number(list.Complete))
}

// limitsOf reads the limits of a namespace, and what is used of them.
func limitsOf(ns *inspect.Namespace) (lim sysvipc.Limits, err error) {
	read := func() (err error) {
		lim, err = sysvipc.ReadLimits()
		return err
	}
	switch {
	case ns.Own:
		err = read()
	case ns.Path == "":
		err = fmt.Errorf("IPC namespace %d: nothing leads there", ns.Inode)
	default:
		err = inspect.WithNamespace(ns.Path, read)
	}
	return lim, err
}
