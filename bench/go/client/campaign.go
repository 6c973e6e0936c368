package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

const (
	electionPrefix = "/kat/leader_election"
	// A candidate that has put its key has yet to watch the one before it.
	settling = 200 * time.Millisecond
)

// One candidate with a connection and a lease of its own.
type candidate struct {
	client   *clientv3.Client
	session  *concurrency.Session
	election *concurrency.Election
}

type elected struct {
	who *candidate
	at  time.Time
}

type candidates struct {
	all     []*candidate
	elected chan elected
	leader  *candidate
	cancel  context.CancelFunc
	ctx     context.Context
	group   sync.WaitGroup
}

// So many candidates, all in the queue when it returns.
func campaign(endpoint string, asked request) *candidates {
	ctx, cancel := context.WithCancel(context.Background())
	here := &candidates{elected: make(chan elected, asked.Candidates), ctx: ctx, cancel: cancel}
	for range asked.Candidates {
		client := connect(endpoint)
		session, err := concurrency.NewSession(client, concurrency.WithTTL(asked.TtlSeconds))
		must(err)
		one := &candidate{client, session, concurrency.NewElection(session, electionPrefix)}
		here.all = append(here.all, one)
		here.enter(one)
	}
	here.leader = (<-here.elected).who
	here.waitForAll()
	return here
}

func (here *candidates) enter(one *candidate) {
	here.group.Go(func() {
		if one.election.Campaign(here.ctx, fmt.Sprintf("%x", one.session.Lease())) == nil {
			here.elected <- elected{one, time.Now()}
		}
	})
}

func (here *candidates) waitForAll() {
	for {
		response, err := here.all[0].client.Get(here.ctx, electionPrefix+"/",
			clientv3.WithPrefix(), clientv3.WithCountOnly())
		must(err)
		if response.Count == int64(len(here.all)) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(settling)
}

// One leader after the other resigns: how long it took until the next one led.
func (here *candidates) handOver(asked request) []float64 {
	var times []float64
	for range asked.Terms {
		old := here.leader
		start := time.Now()
		must(old.election.Resign(here.ctx))
		next := <-here.elected
		times = append(times, milliseconds(next.at.Sub(start)))
		here.leader = next.who
		if asked.Again {
			here.enter(old)
			here.waitForAll()
		}
	}
	return times
}

func (here *candidates) leave() {
	here.cancel()
	here.group.Wait()
	for _, one := range here.all {
		must(one.session.Close())
		must(one.client.Close())
	}
}
