{{- /* The settings of sidecars as texts, by the names of the annotations: values under `sidecar`, and the image. */}}
{{- define "feature-sidecar.settings" -}}
{{- $settings := dict "image" (include "feature-sidecar.image" .) "image-pull-policy" .Values.image.pullPolicy }}
{{- range $name, $value := .Values.sidecar }}
{{- $_ := set $settings $name (toString $value) }}
{{- end }}
{{- toYaml $settings }}
{{- end }}
