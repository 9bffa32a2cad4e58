with

versions as (
    select * from {{ ref('int_documents_versioned') }}
),

rules as (
    select {{ rule_value('amount_tolerance') }} as amount_tolerance
    from {{ ref('accounting_rules') }}
),

readings as (
    select
        document_key,
        source,
        version,
        coalesce(document_kind, case when sum(net_amount) < 0 then 'credit_note' else 'invoice' end)
            as document_kind,
        sum(net_amount) as net_amount
    from versions
    group by document_key, source, version, document_kind
),

newest as (
    select
        document_key,
        document_kind,
        source,
        max_by(net_amount, version) as net_amount
    from readings
    group by document_key, document_kind, source
),

final as (
    select
        newest.document_key,
        newest.document_kind,
        count(*) as sources,
        min(newest.net_amount) as least_net_amount,
        max(newest.net_amount) as greatest_net_amount
    from newest
    cross join rules
    group by newest.document_key, newest.document_kind, rules.amount_tolerance
    having max(newest.net_amount) - min(newest.net_amount) > rules.amount_tolerance
)

select * from final
