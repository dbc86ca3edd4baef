package safetensors

// TestFile is writeTensors for tests that import package kernel.
var TestFile = writeTensors
