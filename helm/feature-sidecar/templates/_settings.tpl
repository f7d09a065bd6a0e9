{{- /* A value as text; numbers of YAML are floats to Helm, and 1000000 would be 1e+06. */}}
{{- define "feature-sidecar.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- /* The settings of sidecars as texts, by the names of the annotations: values under `sidecar`, and the image. */}}
{{- define "feature-sidecar.settings" -}}
{{- $settings := dict "image" (include "feature-sidecar.image" .) "image-pull-policy" .Values.image.pullPolicy }}
{{- range $name, $value := .Values.sidecar }}
{{- $_ := set $settings $name (include "feature-sidecar.text" $value) }}
{{- end }}
{{- toYaml $settings }}
{{- end }}
