package ort

import "github.com/incc-lang/incc/backends/onnx"

// ModelMetadata is what a model says of itself.
type ModelMetadata struct{ m *onnx.Model }

// GetModelMetadata returns the metadata of the model in a file.
func GetModelMetadata(path string) (*ModelMetadata, error) {
	m, err := onnx.ReadFile(path, onnx.LoadOptions{})
	if err != nil {
		return nil, err
	}
	return &ModelMetadata{m}, nil
}

// GetModelMetadataWithONNXData is GetModelMetadata for the bytes of a model.
func GetModelMetadataWithONNXData(data []byte) (*ModelMetadata, error) {
	m, err := decode(data)
	if err != nil {
		return nil, err
	}
	return &ModelMetadata{m}, nil
}

// GetModelMetadata returns the metadata of the session's model.
func (s *DynamicAdvancedSession) GetModelMetadata() (*ModelMetadata, error) {
	if s.model == nil {
		return nil, errDestroyed
	}
	return &ModelMetadata{s.model.proto}, nil
}

// GetModelMetadata returns the metadata of the session's model.
func (s *AdvancedSession) GetModelMetadata() (*ModelMetadata, error) {
	return s.session.GetModelMetadata()
}

// Destroy does nothing.
func (m *ModelMetadata) Destroy() error { return nil }

// GetProducerName returns the program that wrote the model.
func (m *ModelMetadata) GetProducerName() (string, error) { return m.m.Proto.ProducerName, nil }

// GetGraphName returns the name of the graph.
func (m *ModelMetadata) GetGraphName() (string, error) { return m.m.Proto.GetGraph().GetName(), nil }

// GetDomain returns the domain of the model.
func (m *ModelMetadata) GetDomain() (string, error) { return m.m.Proto.Domain, nil }

// GetDescription returns the description of the model.
func (m *ModelMetadata) GetDescription() (string, error) { return m.m.Proto.DocString, nil }

// GetVersion returns the version of the model.
func (m *ModelMetadata) GetVersion() (int64, error) { return m.m.Proto.ModelVersion, nil }

// LookupCustomMetadataMap returns the text of a key of the metadata. The second result is false
// if there is no such key.
func (m *ModelMetadata) LookupCustomMetadataMap(key string) (string, bool, error) {
	for _, e := range m.m.Proto.MetadataProps {
		if e.Key == key {
			return e.Value, true, nil
		}
	}
	return "", false, nil
}

// GetCustomMetadataMapKeys returns the keys of the metadata.
func (m *ModelMetadata) GetCustomMetadataMapKeys() ([]string, error) {
	var keys []string
	for _, e := range m.m.Proto.MetadataProps {
		keys = append(keys, e.Key)
	}
	return keys, nil
}
