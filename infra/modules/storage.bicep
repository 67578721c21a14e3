// The Functions host's own storage: the package, the timers' leases and schedules, the host's queues. Nothing of the app is
// kept here. It has no keys that open it: only identities do.

@description('Name of the storage account; lower-case letters and digits.')
@minLength(3)
@maxLength(24)
param name string

@description('Where it is.')
param location string

@description('Tags of the resource.')
param tags { *: string }

@description('Whether it can be deleted.')
@allowed(['None', 'CanNotDelete'])
param lock string

@description('Copies in one building or in three zones.')
@allowed(['Standard_LRS', 'Standard_ZRS'])
param skuName string

@description('Whether it is reached by private endpoints only.')
param privateNetworking bool

@description('Name of the container that the package is deployed to.')
param packageContainerName string

@description('Resource id of the workspace that gets the diagnostics.')
param workspaceResourceId string

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: skuName }
  properties: {
    accessTier: 'Hot'
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: privateNetworking ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: privateNetworking ? 'Deny' : 'Allow'
    }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      // A package that was overwritten can be had back.
      isVersioningEnabled: true
      deleteRetentionPolicy: { enabled: true, days: 14 }
      containerDeleteRetentionPolicy: { enabled: true, days: 14 }
    }

    resource packages 'containers' = {
      name: packageContainerName
      properties: { publicAccess: 'None' }
    }
  }

  resource queues 'queueServices' = {
    name: 'default'
  }

  resource tables 'tableServices' = {
    name: 'default'
  }
}

#disable-next-line use-recent-api-versions // The newest that knows groups of categories.
resource accountDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: account
  properties: {
    workspaceId: workspaceResourceId
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}

// Writing and deleting only: the host reads its leases all day.
#disable-next-line use-recent-api-versions // The newest that knows groups of categories.
resource blobDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: account::blobs
  properties: {
    workspaceId: workspaceResourceId
    logs: [{ category: 'StorageDelete', enabled: true }]
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}

#disable-next-line use-recent-api-versions // The newest that knows groups of categories.
resource queueDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: account::queues
  properties: {
    workspaceId: workspaceResourceId
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}

#disable-next-line use-recent-api-versions // The newest that knows groups of categories.
resource tableDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: account::tables
  properties: {
    workspaceId: workspaceResourceId
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}

resource accountLock 'Microsoft.Authorization/locks@2020-05-01' = if (lock != 'None') {
  name: 'lock-${name}'
  scope: account
  properties: { level: 'CanNotDelete', notes: 'The app does not start without its package.' }
}

@description('Name of the storage account.')
output name string = account.name

@description('Resource id of the storage account.')
output resourceId string = account.id
