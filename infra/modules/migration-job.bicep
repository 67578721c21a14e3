// The job that prepares the database from within the network, where the database has no public address: it creates roles and
// the app's user, applies migrations and makes the encryption key when there is none. A deployment builds its image in the
// registry, points the job at it and starts it (scripts/deploy/prepare.sh). It costs nothing while it does not run.

@description('Name of the container registry; letters and digits.')
param registryName string

@description('Name of the environment of Container Apps.')
param environmentName string

@description('Name of the job.')
param jobName string

@description('Where they are.')
param location string

@description('Tags of the resources.')
param tags { *: string }

@description('Resource id of the subnet of the job.')
param subnetResourceId string

@description('Name of the migrator\'s identity.')
param migratorIdentityName string

@description('Name of the app\'s identity, which becomes the name of its database user.')
param appIdentityName string

@description('Host name of the SQL server.')
param sqlServerHostName string

@description('Name of the database.')
param databaseName string

@description('Address of the key vault.')
param keyVaultUri string

@description('Name of the secret that keeps the encryption key.')
param encryptionSecretName string

@description('Object id of the Entra principal that is let in as the first admin; empty for none.')
param adminPrincipalId string

@description('The image that the job has until the first deployment points it at its own.')
param image string

@description('Resource id of the workspace that gets the logs.')
param workspaceResourceId string

resource appIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: appIdentityName
}

resource migratorIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: migratorIdentityName
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' = {
  name: registryName
  location: location
  tags: tags
  sku: { name: 'Basic' }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
    // Building (az acr build) and pulling go by its public address; Basic has no other. It keeps our code, no data and no secret.
    publicNetworkAccess: 'Enabled'
  }
}

#disable-next-line use-recent-api-versions // The newest that knows groups of categories.
resource registryDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: registry
  properties: {
    workspaceId: workspaceResourceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

resource environment 'Microsoft.App/managedEnvironments@2026-01-01' = {
  name: environmentName
  location: location
  tags: tags
  properties: {
    publicNetworkAccess: 'Disabled'
    vnetConfiguration: { infrastructureSubnetId: subnetResourceId, internal: true }
    workloadProfiles: [{ name: 'Consumption', workloadProfileType: 'Consumption' }]
    appLogsConfiguration: { destination: 'azure-monitor' }
    zoneRedundant: false
  }
}

#disable-next-line use-recent-api-versions // The newest that knows groups of categories.
resource environmentDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: environment
  properties: {
    workspaceId: workspaceResourceId
    logs: [{ categoryGroup: 'allLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

resource job 'Microsoft.App/jobs@2026-01-01' = {
  name: jobName
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${migratorIdentity.id}': {} }
  }
  properties: {
    environmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      triggerType: 'Manual'
      manualTriggerConfig: { parallelism: 1, replicaCompletionCount: 1 }
      // An index on a large table takes its time. What failed is looked at, not tried again.
      replicaTimeout: 7200
      replicaRetryLimit: 0
      registries: [{ server: registry.properties.loginServer, identity: migratorIdentity.id }]
    }
    template: {
      containers: [
        {
          name: 'prepare'
          image: image
          resources: { cpu: json('0.5'), memory: '1Gi' }
          env: [
            { name: 'AZURE_CLIENT_ID', value: migratorIdentity.properties.clientId }
            { name: 'AZURE_SQL_SERVER', value: sqlServerHostName }
            { name: 'AZURE_SQL_DATABASE', value: databaseName }
            { name: 'AZURE_KEY_VAULT_URL', value: keyVaultUri }
            { name: 'AGENT_ENCRYPTION_SECRET', value: encryptionSecretName }
            { name: 'APP_IDENTITY_NAME', value: appIdentityName }
            { name: 'APP_IDENTITY_CLIENT_ID', value: appIdentity.properties.clientId }
            { name: 'ADMIN_PRINCIPAL_ID', value: adminPrincipalId }
          ]
        }
      ]
    }
  }
}

@description('Name of the container registry.')
output registryName string = registry.name

@description('Name of the job.')
output jobName string = job.name
