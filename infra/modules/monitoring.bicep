// Where logs, traces and metrics go. Nobody sends with a key: the app's identity has the role of a publisher (rbac.bicep).

@description('Name of the Log Analytics workspace.')
param workspaceName string

@description('Name of the Application Insights component.')
param applicationInsightsName string

@description('Where they are kept.')
param location string

@description('Tags of the resources.')
param tags { *: string }

@description('Whether the workspace can be deleted.')
@allowed(['None', 'CanNotDelete'])
param lock string

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param retentionDays int

@description('The most that is taken in a day, in GB; -1 for no limit. What comes after it is lost, alerts included.')
param dailyQuotaGigabytes int

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    workspaceCapping: { dailyQuotaGb: dailyQuotaGigabytes }
    features: { disableLocalAuth: true, enableLogAccessUsingOnlyResourcePermissions: true }
    publicNetworkAccessForIngestion: 'Enabled'
    publicNetworkAccessForQuery: 'Enabled'
  }
}

#disable-next-line use-recent-api-versions // The newest that knows groups of categories.
resource workspaceDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: workspace
  properties: {
    workspaceId: workspace.id
    logs: [{ categoryGroup: 'audit', enabled: true }]
  }
}

resource workspaceLock 'Microsoft.Authorization/locks@2020-05-01' = if (lock != 'None') {
  name: 'lock-${workspaceName}'
  scope: workspace
  properties: { level: 'CanNotDelete', notes: 'Holds the audit of the database and the key vault.' }
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' = {
  name: applicationInsightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    IngestionMode: 'LogAnalytics'
    DisableLocalAuth: true
    DisableIpMasking: false
    publicNetworkAccessForIngestion: 'Enabled'
    publicNetworkAccessForQuery: 'Enabled'
  }
}

@description('Resource id of the workspace.')
output workspaceResourceId string = workspace.id

@description('Name of the Application Insights component.')
output applicationInsightsName string = applicationInsights.name

@description('Resource id of the Application Insights component.')
output applicationInsightsResourceId string = applicationInsights.id
