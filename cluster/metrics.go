package cluster

// Metrics counts what happens, so that a program can export it in its own way. Its
// methods are called often and by many goroutines, and must not wait.
//
// The names are: "reconnects"; for queues "sent", "suppressed" (a message that was sent
// again, and which the servers had), "received", "redelivered" and "returned"; for
// semaphore sets "operations", "conflicts" (a compare-and-swap that lost its race),
// "leases_lost" and "reaped"; for all objects "went_back" (the servers have less than they had
// acknowledged). Package bridge has more.
type Metrics interface {
	// Count adds n to a counter.
	Count(name, object string, n int)
	// Gauge sets a value that goes up and down.
	Gauge(name, object string, value float64)
}

// nowhere is Metrics for who wants none.
type nowhere struct{}

func (nowhere) Count(string, string, int)     {}
func (nowhere) Gauge(string, string, float64) {}
