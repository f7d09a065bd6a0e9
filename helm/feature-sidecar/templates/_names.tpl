{{- define "feature-sidecar.chartName" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* At most 50 characters, so that endings such as -webhook fit into the 63 of a name. */}}
{{- define "feature-sidecar.fullname" -}}
{{- $chart := include "feature-sidecar.chartName" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $chart .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $chart | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "feature-sidecar.selectorLabels" -}}
app.kubernetes.io/name: {{ include "feature-sidecar.chartName" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: injector
{{- end }}

{{- define "feature-sidecar.labels" -}}
app.kubernetes.io/name: {{ include "feature-sidecar.chartName" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end }}

{{- define "feature-sidecar.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "feature-sidecar.serviceAccount" -}}
{{- default (printf "%s-injector" (include "feature-sidecar.fullname" .)) .Values.injector.serviceAccount.name }}
{{- end }}
