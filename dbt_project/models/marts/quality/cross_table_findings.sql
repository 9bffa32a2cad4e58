with

findings as (
    select * from {{ ref('int_cross_table_findings') }}
),

rules as (
    select * from {{ ref('cross_table_rules') }}
),

final as (
    select
        findings.rule,
        findings.source,
        findings.record_key,
        findings.figure,
        rules.harm,
        rules.remedy
    from findings
    inner join rules on findings.rule = rules.rule
)

select * from final
