// Init is the first process of the emulated machine that .ci/avx512/run starts: it runs the
// test binary /kernel.test with the arguments in /args and prints how that ended.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

func main() {
	syscall.Mount("devtmpfs", "/dev", "devtmpfs", 0, "")
	syscall.Mount("proc", "/proc", "proc", 0, "")
	args, err := os.ReadFile("/args")
	if err == nil {
		test := exec.Command("/kernel.test", strings.Fields(string(args))...)
		test.Stdout, test.Stderr = os.Stdout, os.Stderr
		err = test.Run()
	}
	fmt.Println("INCC-END", err)
	for { // the first process must not end
		syscall.Pause()
	}
}
