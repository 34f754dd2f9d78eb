// Package dashboard serves what package inspect sees: as metrics for Prometheus, as JSON, and as a
// page. It only looks: no request changes anything on the machine.
//
// There are six nouns:
//
//   - [Looks] are the snapshots of one IPC namespace, each taken once for all who ask at the same
//     time.
//   - A [Collector] turns a look into metrics: at most 300 series, whatever the machine holds.
//   - A [Feed] looks again and again for the pages that are open, and keeps a [History].
//   - A [Handler] is the HTTP interface with its guards: the names that it answers to, a token, and
//     bounds for what a client may cost.
//   - [Serve] runs a handler on a listener until its context ends.
//
// # What a client may see
//
// A client sees what this process sees, and no more. A process with more rights than its clients
// shows them more than they would see by themselves: who uses and who waits for objects of others,
// the values of semaphores, and the types and sizes of messages. The bytes of messages and
// segments are never shown.
package dashboard
