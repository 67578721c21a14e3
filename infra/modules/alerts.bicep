// What somebody is woken for. docs/runbook.md says of each what it means and what to do; test/static/infra checks that it does.
// Our own metrics are asked for by the names in src/lib/trace/metric-names.ts.

import { alertingType } from '../types.bicep'

@description('Name of the action group.')
param actionGroupName string

@description('What the names of alerts begin with.')
param namePrefix string

@description('Where the alerts on logs are.')
param location string

@description('Tags of the resources.')
param tags { *: string }

@description('Who is told, and from which figure on.')
param alerting alertingType

@description('Name of the resource group\'s workload, for titles.')
param title string

@description('Resource id of the workspace.')
param workspaceResourceId string

@description('Resource id of the Application Insights component.')
param applicationInsightsResourceId string

@description('Resource id of the database.')
param databaseResourceId string

@description('Whether the database is of the DTU model, which measures DTU instead of CPU.')
param databaseHasDtu bool

@description('Resource id of the key vault.')
param keyVaultResourceId string

@description('Host name of the app.')
param appHostName string

@description('Whether the app has a public address.')
param publicApi bool

var oldestMessageSeconds = alerting.?oldestMessageSeconds ?? 300
var newDeadLetters = alerting.?newDeadLetters ?? 0
var taskFailurePercent = alerting.?taskFailurePercent ?? 20
var sweepSilenceSeconds = alerting.?sweepSilenceSeconds ?? 120
var telemetryDelaySeconds = alerting.?telemetryDelaySeconds ?? 180
var databasePercent = alerting.?databasePercent ?? 80
var failedConnections = alerting.?failedConnections ?? 10
var serverErrors = alerting.?serverErrors ?? 5
var keyVaultDenials = alerting.?keyVaultDenials ?? 0

type logAlertType = {
  @description('Last part of the name.')
  name: string

  @description('What it means, in a sentence.')
  description: string

  @description('0 wakes somebody, 2 waits for the morning.')
  severity: int

  @description('KQL over the workspace.')
  query: string

  @description('The column that is compared; the number of rows when left out.')
  measure: string?

  @description('It fires above this.')
  threshold: int

  @description('How often it is asked.')
  every: 'PT1M' | 'PT5M'

  @description('The stretch of time that is asked about.')
  window: 'PT5M' | 'PT15M'

  @description('Settles by itself when the condition is gone.')
  autoMitigate: bool
}

var logAlerts logAlertType[] = [
  {
    name: 'oldest-message'
    description: 'A message that could be delivered has waited for more than ${oldestMessageSeconds} s: somebody does not read their mailbox.'
    severity: 2
    query: '''
      AppMetrics
      | where Name == 'agent_communication.queue.oldest_age_seconds'
      | summarize Seconds = max(Max)
    '''
    measure: 'Seconds'
    threshold: oldestMessageSeconds
    every: 'PT5M'
    window: 'PT5M'
    autoMitigate: true
  }
  {
    name: 'dead-letters'
    description: 'Messages were given up: more than ${newDeadLetters} new dead letters within 15 minutes.'
    severity: 2
    query: '''
      AppMetrics
      | where Name == 'agent_communication.dead_letters'
      | summarize arg_min(TimeGenerated, First = Max), arg_max(TimeGenerated, Last = Max)
      | project New = coalesce(Last - First, 0.0)
    '''
    measure: 'New'
    threshold: newDeadLetters
    every: 'PT5M'
    window: 'PT15M'
    autoMitigate: true
  }
  {
    name: 'task-failures'
    description: 'More than ${taskFailurePercent} % of the tasks that ended within 15 minutes have failed.'
    severity: 2
    query: '''
      AppMetrics
      | where Name == 'agent_communication.tasks.ended'
      | summarize arg_min(TimeGenerated, First = Max), arg_max(TimeGenerated, Last = Max) by Outcome = tostring(Properties.outcome)
      | extend Ended = max_of(Last - First, 0.0)
      | summarize Failed = sumif(Ended, Outcome == 'failed'), Ended = sum(Ended)
      | where Ended >= 20
      | project Percent = 100.0 * Failed / Ended
    '''
    measure: 'Percent'
    threshold: taskFailurePercent
    every: 'PT5M'
    window: 'PT15M'
    autoMitigate: true
  }
  {
    name: 'no-sweep'
    description: 'No sweep for ${sweepSilenceSeconds} s: silent agents stay active, ended leases and waiting tasks stay where they are.'
    severity: 0
    query: '''
      AppMetrics
      | where Name == 'agent_communication.sweep.runs' and Sum > 0
      | where tostring(Properties.outcome) in ('', 'ok')
      | summarize Last = max(TimeGenerated)
      | project Seconds = datetime_diff('second', now(), coalesce(Last, ago(15m)))
    '''
    measure: 'Seconds'
    threshold: sweepSilenceSeconds + telemetryDelaySeconds
    every: 'PT1M'
    window: 'PT15M'
    autoMitigate: true
  }
  {
    name: 'server-errors'
    description: 'More than ${serverErrors} answers 5xx within 5 minutes.'
    severity: 1
    query: '''
      AppRequests
      | where toint(ResultCode) between (500 .. 599)
      | summarize Answers = sum(ItemCount)
    '''
    measure: 'Answers'
    threshold: serverErrors
    every: 'PT5M'
    window: 'PT5M'
    autoMitigate: true
  }
  {
    name: 'transient-faults'
    description: 'The database refuses or drops much: more than 100 faults that were tried again within 15 minutes.'
    severity: 2
    query: '''
      AppMetrics
      | where Name == 'agent_communication.store.transient_faults'
      | summarize Faults = sum(Sum)
    '''
    measure: 'Faults'
    threshold: 100
    every: 'PT5M'
    window: 'PT15M'
    autoMitigate: true
  }
]

type metricAlertType = {
  @description('Last part of the name.')
  name: string

  @description('What it means, in a sentence.')
  description: string

  @description('0 wakes somebody, 2 waits for the morning.')
  severity: int

  @description('Resource id of what is measured.')
  scope: string

  @description('Where the metric belongs.')
  namespace: string

  @description('The platform\'s name of the metric.')
  metric: string

  @description('How the values of the window become one.')
  aggregation: 'Average' | 'Maximum' | 'Total' | 'Count'

  @description('Values of a dimension that count; all when left out.')
  dimensions: { name: string, operator: 'Include', values: string[] }[]?

  @description('It fires above this.')
  threshold: int

  @description('The stretch of time that is asked about.')
  window: 'PT5M' | 'PT15M'
}

var metricAlerts metricAlertType[] = [
  {
    name: 'database-load'
    description: 'The database has been used to more than ${databasePercent} % for 15 minutes.'
    severity: 2
    scope: databaseResourceId
    namespace: 'Microsoft.Sql/servers/databases'
    metric: databaseHasDtu ? 'dtu_consumption_percent' : 'cpu_percent'
    aggregation: 'Average'
    threshold: databasePercent
    window: 'PT15M'
  }
  {
    name: 'database-workers'
    description: 'The database works on almost as many requests as it can: further ones are refused.'
    severity: 1
    scope: databaseResourceId
    namespace: 'Microsoft.Sql/servers/databases'
    metric: 'workers_percent'
    aggregation: 'Maximum'
    threshold: 90
    window: 'PT5M'
  }
  {
    name: 'database-storage'
    description: 'The database is nearly full: a full one refuses every write.'
    severity: 1
    scope: databaseResourceId
    namespace: 'Microsoft.Sql/servers/databases'
    metric: 'storage_percent'
    aggregation: 'Maximum'
    threshold: 90
    window: 'PT15M'
  }
  {
    name: 'database-connections'
    description: 'More than ${failedConnections} connections to the database failed within 5 minutes.'
    severity: 1
    scope: databaseResourceId
    namespace: 'Microsoft.Sql/servers/databases'
    metric: 'connection_failed'
    aggregation: 'Total'
    threshold: failedConnections
    window: 'PT5M'
  }
  {
    name: 'database-logins'
    description: 'More than ${failedConnections} logins were refused within 5 minutes: the app\'s user, or somebody who tries.'
    severity: 1
    scope: databaseResourceId
    namespace: 'Microsoft.Sql/servers/databases'
    metric: 'connection_failed_user_error'
    aggregation: 'Total'
    threshold: failedConnections
    window: 'PT5M'
  }
  {
    name: 'key-vault-denials'
    description: 'The key vault refused more than ${keyVaultDenials} calls within 5 minutes: a missing role, or somebody who tries.'
    severity: 1
    scope: keyVaultResourceId
    namespace: 'Microsoft.KeyVault/vaults'
    metric: 'ServiceApiResult'
    aggregation: 'Count'
    dimensions: [{ name: 'StatusCode', operator: 'Include', values: ['403'] }]
    threshold: keyVaultDenials
    window: 'PT5M'
  }
]

var availabilityTest = alerting.availabilityTest && publicApi

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroupName
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'agents'
    enabled: true
    emailReceivers: [
      for (address, index) in alerting.emailAddresses: {
        name: 'mail-${index + 1}'
        emailAddress: address
        useCommonAlertSchema: true
      }
    ]
    webhookReceivers: [
      for webhook in (alerting.?webhooks ?? []): {
        name: webhook.name
        serviceUri: webhook.uri
        useCommonAlertSchema: true
      }
    ]
  }
}

resource logRules 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for alert in logAlerts: {
    name: '${namePrefix}-${alert.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: '${title}: ${alert.name}'
      description: alert.description
      severity: alert.severity
      enabled: true
      scopes: [workspaceResourceId]
      targetResourceTypes: ['Microsoft.OperationalInsights/workspaces']
      evaluationFrequency: alert.every
      windowSize: alert.window
      autoMitigate: alert.autoMitigate
      // Our tables are made by the first telemetry, which may come after this.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: alert.?measure == null ? 'Count' : 'Maximum'
            ...(alert.?measure == null ? {} : { metricMeasureColumn: alert.?measure })
            operator: 'GreaterThan'
            threshold: alert.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [actionGroup.id] }
    }
  }
]

resource metricRules 'Microsoft.Insights/metricAlerts@2026-01-01' = [
  for alert in metricAlerts: {
    name: '${namePrefix}-${alert.name}'
    location: 'global'
    tags: tags
    properties: {
      description: alert.description
      severity: alert.severity
      enabled: true
      scopes: [alert.scope]
      evaluationFrequency: 'PT1M'
      windowSize: alert.window
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            name: alert.name
            criterionType: 'StaticThresholdCriterion'
            metricNamespace: alert.namespace
            metricName: alert.metric
            timeAggregation: alert.aggregation
            operator: 'GreaterThan'
            threshold: alert.threshold
            dimensions: alert.?dimensions ?? []
          }
        ]
      }
      actions: [{ actionGroupId: actionGroup.id }]
    }
  }
]

// Three regions ask; two must fail, so that one region's own trouble wakes nobody.
resource availability 'Microsoft.Insights/webtests@2022-06-15' = if (availabilityTest) {
  name: '${namePrefix}-health'
  location: location
  tags: union(tags, { 'hidden-link:${applicationInsightsResourceId}': 'Resource' })
  kind: 'standard'
  properties: {
    SyntheticMonitorId: '${namePrefix}-health'
    Name: '${namePrefix}-health'
    Enabled: true
    Frequency: 300
    Timeout: 30
    Kind: 'standard'
    RetryEnabled: true
    Locations: [{ Id: 'emea-nl-ams-azr' }, { Id: 'us-va-ash-azr' }, { Id: 'apac-sg-sin-azr' }]
    Request: { RequestUrl: 'https://${appHostName}/api/health', HttpVerb: 'GET', FollowRedirects: false }
    ValidationRules: { ExpectedHttpStatusCode: 200, SSLCheck: true, SSLCertRemainingLifetimeCheck: 7 }
  }
}

resource healthRule 'Microsoft.Insights/metricAlerts@2026-01-01' = if (availabilityTest) {
  name: '${namePrefix}-health'
  location: 'global'
  tags: tags
  properties: {
    description: 'GET /api/health fails from two regions: the app does not answer, or its database does not.'
    severity: 0
    enabled: true
    scopes: [availability.id, applicationInsightsResourceId]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: availability.id
      componentId: applicationInsightsResourceId
      failedLocationCount: 2
    }
    actions: [{ actionGroupId: actionGroup.id }]
  }
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'agent-communication')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: '${title}: queue, fleet, coordination'
    category: 'workbook'
    sourceId: workspaceResourceId
    serializedData: replace(loadTextContent('workbook.json'), '__WORKSPACE__', workspaceResourceId)
  }
}
