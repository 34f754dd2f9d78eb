package dashboard

import (
	"context"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/trace"
)

// Collector is a [prometheus.Collector] of what a look sees: some 200 series, and never more than
// 300 without Namespaces and Objects. Each collection is one look, which others share.
type Collector struct {
	Looks *Looks
	// Timeout bounds a collection; 0 means 10 seconds, which is when Prometheus gives up.
	Timeout time.Duration
	// Namespaces adds the other IPC namespaces, at most MaxNamespaces.
	Namespaces bool
	// Objects selects objects that have series of their own, at most MaxObjects; nil selects none.
	Objects    func(*inspect.Object) bool
	MaxObjects int
	// Calls reads what a trace has counted, which adds at most 110 series; nil adds none.
	Calls func() (*trace.Summary, error)
}

// The bounds of what has series of its own.
const (
	MaxOwners         = 20  // the others are one, "other"
	MaxNamespaces     = 100 // of --namespaces
	DefaultMaxObjects = 100 // of --object
)

// Describe sends nothing: what is collected depends on the machine.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect takes a look and sends its metrics. Where that fails or takes too long, only
// sysvipc_collector_success and sysvipc_collector_duration_seconds are left.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	began := time.Now()
	look, err := c.Looks.Look(ctx)
	duration := time.Since(began)
	if err == nil {
		duration, err = look.Took, look.Err
	}
	s := sender{ch}
	if c.Calls != nil {
		s.calls(c.Calls)
	}
	s.collector("objects", err == nil, duration)
	if err != nil {
		return
	}
	s.limits(&look.Limits)
	s.totals(look)
	s.owners(look)
	s.verdicts(look)
	s.waits(look)
	s.findings(look)
	s.evidence(look)
	s.counts(&look.Counts)
	if c.Objects != nil {
		s.objects(look, c.Objects, c.MaxObjects)
	}
	if c.Namespaces {
		s.namespaces(ctx)
	}
}

// sender sends const metrics.
type sender struct{ ch chan<- prometheus.Metric }

// family is a metric with the names of its labels.
type family struct {
	desc *prometheus.Desc
	typ  prometheus.ValueType
}

func gauge(name, help string, labels ...string) family {
	return family{prometheus.NewDesc("sysvipc_"+name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) family {
	return family{prometheus.NewDesc("sysvipc_"+name, help, labels, nil), prometheus.CounterValue}
}

func (s sender) send(f family, value float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(f.desc, f.typ, value, labels...)
}

var (
	collectorSuccess  = gauge("collector_success", "Whether the last collection succeeded: 1 or 0.", "collector")
	collectorDuration = gauge("collector_duration_seconds", "How long the snapshot took, or the collection that failed.", "collector")
)

func (s sender) collector(name string, success bool, took time.Duration) {
	s.send(collectorSuccess, number(success), name)
	s.send(collectorDuration, took.Seconds(), name)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// The limits of the kernel. Where something is used of one, the same name without "limit" says how much.
var (
	segments          = gauge("segments", "Shared memory segments.")
	segmentsLimit     = gauge("segments_limit", "The most segments that there can be: kernel.shmmni.")
	allocated         = gauge("segments_allocated_bytes", "Bytes of all segments in whole pages, which kernel.shmall counts.")
	allocatedLimit    = gauge("segments_allocated_limit_bytes", "The most of sysvipc_segments_allocated_bytes: kernel.shmall times the size of a page.")
	segmentSizeLimit  = gauge("segment_size_limit_bytes", "The most bytes of one segment: kernel.shmmax.")
	sets              = gauge("semaphore_sets", "Semaphore sets.")
	setsLimit         = gauge("semaphore_sets_limit", "The most semaphore sets that there can be: SEMMNI of kernel.sem.")
	semaphores        = gauge("semaphores", "Semaphores of all sets.")
	semaphoresLimit   = gauge("semaphores_limit", "The most semaphores of all sets together: SEMMNS of kernel.sem.")
	setSizeLimit      = gauge("semaphore_set_size_limit", "The most semaphores of one set: SEMMSL of kernel.sem.")
	operationsLimit   = gauge("semaphore_operations_limit", "The most operations of one semop call: SEMOPM of kernel.sem.")
	valueLimit        = gauge("semaphore_value_limit", "The highest value of a semaphore: SEMVMX.")
	queues            = gauge("queues", "Message queues.")
	queuesLimit       = gauge("queues_limit", "The most message queues that there can be: kernel.msgmni.")
	messageSizeLimit  = gauge("message_size_limit_bytes", "The most bytes of one message: kernel.msgmax.")
	queueSizeDefault  = gauge("queue_size_default_bytes", "How many bytes a new queue holds: kernel.msgmnb.")
	messages          = gauge("messages", "Messages on all queues.")
	messageBytes      = gauge("message_bytes", "Bytes of the messages on all queues.")
	segmentBytes      = gauge("segment_bytes", "Bytes of all segments, as they were asked for.")
	resident          = gauge("segment_resident_bytes", "Bytes of all segments that are in memory.")
	swapped           = gauge("segment_swapped_bytes", "Bytes of all segments that are in swap.")
	attaches          = gauge("segment_attaches", "Attaches of all segments: a process can have several.")
	segmentsDestroyed = gauge("segments_destroyed", "Segments that were removed and go with their last detach.")
)

func (s sender) limits(lim *sysvipc.Limits) {
	page := float64(os.Getpagesize())
	seg, sem, msg := &lim.Segments, &lim.Semaphores, &lim.Queues
	s.send(segments, float64(seg.InUse))
	s.send(segmentsLimit, float64(seg.Max))
	s.send(allocated, float64(seg.Pages)*page)
	s.send(allocatedLimit, float64(seg.MaxPages)*page)
	s.send(segmentSizeLimit, float64(seg.MaxSize))
	s.send(sets, float64(sem.InUse))
	s.send(setsLimit, float64(sem.Max))
	s.send(semaphores, float64(sem.InTotal))
	s.send(semaphoresLimit, float64(sem.MaxTotal))
	s.send(setSizeLimit, float64(sem.MaxPerSet))
	s.send(operationsLimit, float64(sem.MaxOps))
	s.send(valueLimit, float64(sem.MaxValue))
	s.send(queues, float64(msg.InUse))
	s.send(queuesLimit, float64(msg.Max))
	s.send(messageSizeLimit, float64(msg.MaxMessage))
	s.send(queueSizeDefault, float64(msg.DefaultMaxBytes))
}

func (s sender) totals(look *Look) {
	t := totalsOf(look.Snapshot)
	s.send(messages, float64(t.Messages))
	s.send(messageBytes, float64(t.MessageBytes))
	s.send(segmentBytes, float64(t.Bytes))
	if t.Resident >= 0 {
		s.send(resident, float64(t.Resident))
		s.send(swapped, float64(t.Swapped))
	}
	s.send(attaches, float64(t.Attaches))
	s.send(segmentsDestroyed, float64(t.Destroyed))
}

var objectsByVerdict = gauge("objects", "Objects by kind and by what may become of them: see sysvipc gc.", "type", "verdict")

func (s sender) verdicts(look *Look) {
	t := totalsOf(look.Snapshot)
	for k, of := range t.Verdicts {
		for c, n := range of {
			s.send(objectsByVerdict, float64(n), kindWords[k], string(classes[c]))
		}
	}
}

var (
	waitingThreads    = gauge("waiting_threads", "Threads that are seen to be blocked on a set or a queue, by call.", "operation")
	oldestWait        = gauge("oldest_wait_seconds", "For how long the thread that has waited longest has waited; 0 if none waits. Waits whose start is not known are left out.")
	waitsUnknownAge   = gauge("waits_of_unknown_age", "Waiting threads whose start is not known.")
	deadlocks         = gauge("deadlocks", "Probable deadlocks: rings of processes that wait for one another.")
	deadlockedThreads = gauge("deadlocked_threads", "Waiting threads that are part of a probable deadlock.")
	stuckQueues       = gauge("stuck_queues", "Queues with a receiver that waits beside messages none of which it takes.")
	fullQueues        = gauge("full_queues", "Queues that hold 95 % of what they may: senders wait, or fail with EAGAIN.")
	deadHolders       = gauge("waits_for_dead", "Threads that wait to acquire a semaphore that a process operated on last which has ended.")
)

func (s sender) waits(look *Look) {
	w := waitsOf(look.Snapshot)
	for i, op := range operations {
		s.send(waitingThreads, float64(w.Threads[i]), op.String())
	}
	s.send(oldestWait, w.Oldest.Seconds())
	s.send(waitsUnknownAge, float64(w.UnknownAge))
	s.send(deadlocks, float64(w.Deadlocks))
	s.send(deadlockedThreads, float64(w.Deadlocked))
	s.send(stuckQueues, float64(w.StuckQueues))
	s.send(fullQueues, float64(w.FullQueues))
	s.send(deadHolders, float64(w.ForDead))
}

var (
	findings      = gauge("findings", "What sysvipc doctor finds, by check.", "check")
	worldWritable = gauge("world_writable_objects", "Objects that every user may change, by the known product that they belong to; empty for none.", "product")
)

// checks are those whose series are there also when nothing is found.
var checks = []string{
	"candidates", "deadlock", "msgmax", "msgmni", "orphans", "queue-full", "removed", "removeipc", "semmni", "semmns",
	"shm_rmid_forced", "shmall", "shmmax", "shmmni", "stuck", "unfinished", "world-writable",
}

func (s sender) findings(look *Look) {
	found := map[string]int{}
	for _, check := range checks {
		found[check] = 0
	}
	for _, f := range look.Findings {
		found[f.Check]++
	}
	for check, n := range found {
		s.send(findings, float64(n), check)
	}
	writable := map[string]int{"": 0}
	for i := range look.Objects {
		if o := &look.Objects[i]; o.Mode&0o002 != 0 {
			product := ""
			if o.Product != nil {
				product = o.Product.Name
			}
			writable[product]++
		}
	}
	for product, n := range writable {
		s.send(worldWritable, float64(n), product)
	}
}

var (
	snapshotComplete  = gauge("snapshot_complete", "Whether everything could be seen: 1 or 0. If not, waits and users may be missing.")
	snapshotTime      = gauge("snapshot_timestamp_seconds", "When the snapshot was complete.")
	snapshotProcesses = gauge("snapshot_unreadable_processes", "Processes whose attaches this user may not see.")
	snapshotThreads   = gauge("snapshot_unreadable_threads", "Threads of which this user may not see whether they wait.")
	snapshotWarnings  = gauge("snapshot_warnings", "How many warnings the snapshot has: see sysvipc ls -o json.")
)

func (s sender) evidence(look *Look) {
	s.send(snapshotComplete, number(look.Complete))
	s.send(snapshotTime, float64(look.Time.UnixNano())/1e9)
	s.send(snapshotProcesses, float64(look.UnreadableProcesses))
	s.send(snapshotThreads, float64(look.UnreadableThreads))
	s.send(snapshotWarnings, float64(len(look.Warnings)))
}

var (
	snapshots       = counter("snapshots_total", "Snapshots since the start.")
	snapshotsFailed = counter("snapshots_failed_total", "Snapshots that failed.")
	objectsAppeared = counter("objects_appeared_total", "Objects that a snapshot has and the one before it had not.", "type")
	objectsRemoved  = counter("objects_removed_total", "Objects that the snapshot before had and this one has not.", "type")
)

func (s sender) counts(c *Counts) {
	s.send(snapshots, float64(c.Looks))
	s.send(snapshotsFailed, float64(c.Failed))
	for k, word := range kindWords {
		s.send(objectsAppeared, float64(c.Appeared[k]), word)
		s.send(objectsRemoved, float64(c.Removed[k]), word)
	}
}
