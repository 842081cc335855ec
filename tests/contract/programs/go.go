// SPDX-License-Identifier: MIT
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	var all sync.WaitGroup
	for i := 0; i < 50; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			answer, err := http.Post("http://"+listener.Addr().String(), "text/plain", strings.NewReader("hello"))
			check(err)
			body, err := io.ReadAll(answer.Body)
			check(err)
			answer.Body.Close()
			if string(body) != "hello" {
				check(fmt.Errorf("answered: %q", body))
			}
			runtime.GC()
		}()
	}
	all.Wait()
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR1)
	check(syscall.Kill(os.Getpid(), syscall.SIGUSR1))
	<-caught
	check(os.WriteFile("go.txt", []byte("hello go\n"), 0o600))
	said, err := exec.Command("cat", "go.txt").Output()
	check(err)
	fmt.Print(string(said))
}
