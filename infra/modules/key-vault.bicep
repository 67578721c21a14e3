// The vault of the encryption key's versions. Roles instead of access policies; what is deleted can be had back for 90 days.

@description('Name of the vault; at most 24 characters.')
@maxLength(24)
param name string

@description('Where it is.')
param location string

@description('Tags of the resource.')
param tags { *: string }

@description('Whether it can be deleted.')
@allowed(['None', 'CanNotDelete'])
param lock string

@description('Whether nobody, Azure\'s administrators included, can purge it or its secrets before their time. Cannot be taken back. Without the key, what it encrypted is lost.')
param purgeProtection bool

@description('Whether it is reached by a private endpoint only.')
param privateNetworking bool

@description('Resource id of the app\'s subnet, which is let in when there is no private endpoint.')
param functionsSubnetResourceId string

@description('Address of a developer that is let in, too; empty for none.')
param developerAddress string

@description('Resource id of the workspace that gets the audit.')
param workspaceResourceId string

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: purgeProtection ? 90 : 7
    // The provider takes true or nothing.
    enablePurgeProtection: purgeProtection ? true : null
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    publicNetworkAccess: privateNetworking ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: 'Deny'
      ipRules: empty(developerAddress) ? [] : [{ value: developerAddress }]
      virtualNetworkRules: privateNetworking ? [] : [{ id: functionsSubnetResourceId }]
    }
  }
}

#disable-next-line use-recent-api-versions // The newest that knows groups of categories.
resource vaultDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: vault
  properties: {
    workspaceId: workspaceResourceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [{ categoryGroup: 'audit', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

resource vaultLock 'Microsoft.Authorization/locks@2020-05-01' = if (lock != 'None') {
  name: 'lock-${name}'
  scope: vault
  properties: { level: 'CanNotDelete', notes: 'Without its secrets, sensitive payloads cannot be read.' }
}

@description('Name of the vault.')
output name string = vault.name

@description('Resource id of the vault.')
output resourceId string = vault.id

@description('Address of the vault: AZURE_KEY_VAULT_URL.')
output uri string = vault.properties.vaultUri
