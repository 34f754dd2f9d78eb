package cluster_test

import (
	"testing"

	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
)

func TestMain(m *testing.M) { clustertest.Main(m) }

// What tests say all the time.
var (
	check       = clustertest.Check
	soon        = clustertest.Soon
	eventually  = clustertest.Eventually
	connect     = clustertest.Connect
	connectTo   = clustertest.ConnectTo
	server      = clustertest.Server
	unique      = clustertest.Unique
	newQueue    = clustertest.NewQueue
	send        = clustertest.Send
	wantMessage = clustertest.Want
)
