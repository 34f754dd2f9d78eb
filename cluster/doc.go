// Package cluster offers a message queue, a semaphore set and a variable that several
// machines share, with the words and the errors of package sysvipc. Servers keep them:
// NATS with JetStream, from version 2.12.
//
// There are four types. [Conn] is a connection to the servers. [Queue] is a queue of typed
// messages. [SemaphoreSet] is a set of counting semaphores that change together, all or
// none. [Var] is a variable of any Go type that JSON can hold.
//
//	conn, err := cluster.Connect(ctx, "nats://a,nats://b,nats://c", nil)
//	defer conn.Close(ctx)
//	q, err := conn.EnsureQueue(ctx, "orders", nil)
//	err = q.Send(ctx, 7, []byte("hello"))
//	m, err := q.Receive(ctx, sysvipc.OfType(7))
//
// Package cluster/embedded runs the servers inside the program. Package cluster/bridge joins a
// kernel's queue to one of these.
//
// # What is different from the kernel's objects
//
// Each call is a question to a server, which may be slow, restart, or be cut off: calls go
// on until they are answered or their context ends, and each takes a context. What a call
// did whose context ended while the answer was on its way cannot be known. A name stands
// for an object, not a key, and there are no modes and owners: the servers' accounts say
// who may do what.
//
// What the servers have acknowledged is in the memory of a majority of the replicas, and
// reaches their disks within two minutes: it survives the death of processes and of a
// minority of machines, and all machines losing power at once only if the servers run with
// sync_interval: always.
//
// A process that dies is noticed by its silence: see [Options.Lease] and
// [QueueOptions.AckWait]. One that is stopped and goes on later cannot know that others
// took it for dead: see [Grant.Token].
package cluster
