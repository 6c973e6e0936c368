// A program with etcd inside it, as its authors mean it: default settings, and
// the candidate of clientv3. It says "leader" once it leads, and ends on SIGTERM.
package main

import (
	"context"
	"fmt"
	"log"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"go.etcd.io/etcd/client/v3/concurrency"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: embedded DATA_DIR CLIENT_URL PEER_URL")
	}
	config := embed.NewConfig()
	config.Dir = os.Args[1]
	config.ListenClientUrls = []url.URL{parse(os.Args[2])}
	config.AdvertiseClientUrls = config.ListenClientUrls
	config.ListenPeerUrls = []url.URL{parse(os.Args[3])}
	config.AdvertisePeerUrls = config.ListenPeerUrls
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.LogOutputs = []string{os.Args[1] + ".log"}
	server, err := embed.StartEtcd(config)
	must(err)
	defer server.Close()
	<-server.Server.ReadyNotify()
	client := v3client.New(server.Server)
	session, err := concurrency.NewSession(client, concurrency.WithTTL(15))
	must(err)
	election := concurrency.NewElection(session, "/kat/leader_election")
	must(election.Campaign(context.Background(), config.Name))
	fmt.Println("leader")
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	<-ended
	must(election.Resign(context.Background()))
	must(session.Close())
}

func parse(text string) url.URL {
	parsed, err := url.Parse(text)
	must(err)
	return *parsed
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
