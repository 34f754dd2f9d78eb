// Package permission knows which subjects a client of package cluster uses, by what it is for. docs/cluster-permissions.md
// is made from it, and the command's doctor asks for them.
package permission

import (
	"slices"
	"strings"
)

// Role is what a client may be for.
type Role struct {
	Name, What string
	Needs      []Need
}

// Need is a subject, or a pattern of them.
type Need struct {
	Subject   string // {API}, {QUEUE}, {SET} and {NAME} stand for what In says
	Subscribe bool   // else it publishes there
	What      string
	// Without is what a client still does without it, if it goes on: "" is nothing.
	Without string
}

// In returns the subject for objects of this name, as it stands in subjects, where JetStream's API begins with api:
// $JS.API. or $JS.DOMAIN.API.
func (n Need) In(api, name string) string {
	return strings.NewReplacer("{API}", api, "{QUEUE}", "SYSVIPC_Q_"+name, "{BUCKET}", "KV_sysvipc", "{NAME}", name).Replace(n.Subject)
}

// Connect is what each client needs, whatever it is for.
var Connect = []Need{
	{Subject: "_INBOX.>", Subscribe: true, What: "answers"},
	{Subject: "{API}INFO", What: "whether JetStream is there"},
}

var (
	open   = Need{Subject: "{API}STREAM.INFO.{QUEUE}", What: "to open the queue"}
	calls  = Need{Subject: "sysvipc.c.{NAME}", Subscribe: true, What: "calls of its other users", Without: "a removal, and a sender that waits for room, are noticed some seconds late"}
	room   = Need{Subject: "sysvipc.r.{NAME}", What: "that there is room", Without: "senders that wait for room notice it half a second late"}
	hints  = Need{Subject: "sysvipc.h.{NAME}.*", What: "that a message came back", Without: "receivers of several types notice it some seconds late"}
	send   = Need{Subject: "sysvipc.q.{NAME}.*", What: "messages"}
	acks   = Need{Subject: "$JS.ACK.{QUEUE}.>", What: "acknowledgements"}
	bucket = Need{Subject: "{API}STREAM.INFO.{BUCKET}", What: "to open what keeps sets and variables"}
	read   = Need{Subject: "{API}STREAM.MSG.GET.{BUCKET}", What: "to read sets and variables"}
	watch  = Need{Subject: "{API}CONSUMER.CREATE.{BUCKET}.>", What: "to wait, and to watch"}
	flow   = Need{Subject: "$JS.FC.{BUCKET}.>", What: "flow control of what is watched", Without: "a watch that falls behind ends, and begins again"}
	probe  = Need{Subject: "$KV.sysvipc.probe", What: "which of several servers leads", Without: "one server suffices; with several it fails"}
	probes = Need{Subject: "$KV.sysvipc.probe.*", What: "whether an answer that was lost said yes", Without: "a change whose answer was lost fails"}
)

// lock is what a semaphore set needs, whose name begins so.
func lock(prefix string) []Need {
	return []Need{
		bucket, read, watch,
		{Subject: "$KV.sysvipc.sem." + prefix + "{NAME}", What: "the set"},
		{Subject: "$KV.sysvipc.lease." + prefix + "{NAME}.*", What: "that this process lives"},
		flow, probe, probes,
	}
}

// bridgeLock is what a receiving bridge needs to be the only one.
func bridgeLock() []Need {
	needs := lock("bridge=20")
	needs[slices.Index(needs, watch)].Without = "it cannot wait for the place of another one"
	return needs
}

// Roles are all there are.
var Roles = []Role{
	{"send", "sends to a queue: `Queue.Send`", []Need{
		open, send, calls,
		{Subject: "sysvipc.c.{NAME}", What: "that it waits for room", Without: "receivers do not tell it of room, which it notices half a second late"},
		{Subject: "sysvipc.r.{NAME}", Subscribe: true, What: "that there is room", Without: "it notices half a second late"},
	}},
	{"receive", "receives from a queue: `Queue.Receive`, `Take`, `Messages`, `Peek`", []Need{
		open,
		{Subject: "{API}CONSUMER.CREATE.{QUEUE}.>", What: "to begin with a type"},
		{Subject: "{API}CONSUMER.MSG.NEXT.{QUEUE}.*", What: "to ask for messages"},
		{Subject: "{API}CONSUMER.INFO.{QUEUE}.*", What: "whether there is really nothing"},
		{Subject: "{API}STREAM.MSG.GET.{QUEUE}", What: "to look before it takes"},
		acks, calls,
		{Subject: "sysvipc.h.{NAME}.*", Subscribe: true, What: "that a message came", Without: "who receives several types notices it some seconds late"},
		hints, room,
	}},
	{"make queues", "makes, removes and resizes queues", []Need{
		open,
		{Subject: "{API}STREAM.CREATE.{QUEUE}", What: "to make it"},
		{Subject: "{API}STREAM.UPDATE.{QUEUE}", What: "to change its capacity"},
		{Subject: "{API}STREAM.DELETE.{QUEUE}", What: "to remove it"},
		calls, room,
		{Subject: "sysvipc.c.{NAME}", What: "that it is removed", Without: "its waiters notice it some seconds late"},
	}},
	{"lock", "uses a semaphore set: `SemaphoreSet`; `sysvipcd run --name N`, whose set is `run/N`", lock("")},
	{"use variables", "uses a variable: `Var`", []Need{
		bucket, read, watch,
		{Subject: "$KV.sysvipc.var.{NAME}", What: "to change it"},
		flow, probe, probes,
	}},
	{"bridge out", "`sysvipcd bridge --send`, to a queue that is there", []Need{open, send, calls}},
	{"bridge in", "`sysvipcd bridge --recv`, from a queue that is there", append([]Need{
		open,
		{Subject: "{API}CONSUMER.CREATE.{QUEUE}.bridge", What: "to begin"},
		{Subject: "{API}CONSUMER.DELETE.{QUEUE}.*", What: "to begin where the one before ended"},
		{Subject: "{API}CONSUMER.LIST.{QUEUE}", What: "which receivers left"},
		{Subject: "{API}CONSUMER.MSG.NEXT.{QUEUE}.bridge", What: "to ask for messages"},
		acks, calls,
	}, bridgeLock()...)},
}
